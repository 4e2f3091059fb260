#ifndef NIGH_TRANSPORTS_EXEC_EXIT_TASK_H_
#define NIGH_TRANSPORTS_EXEC_EXIT_TASK_H_

#include <memory>

namespace nigh {

// Something that a process has to do yet when it exits, by exit(3) or by returning from main: after
// all handlers of atexit(3) and all destructors of static objects, so that what these let go of
// properly needs nothing here. Other threads still run.
class ExitTask {
 public:
  virtual ~ExitTask() = default;
  // Called for all tasks, one after the other, before any is awaited. Does not wait.
  virtual void Begin() = 0;
  // Waits for as long as the task may take.
  virtual void Await() = 0;
};

// Any thread. False: the process is exiting, and takes no more tasks.
bool AddExitTask(std::shared_ptr<ExitTask> task);
void RemoveExitTask(const ExitTask& task);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_EXEC_EXIT_TASK_H_
