#include "nigh/transports/exec/exit_task.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/per_process.h"

namespace nigh {
namespace {

struct ExitTasks {
  Mutex mutex;
  bool exiting ABSL_GUARDED_BY(mutex) = false;
  std::vector<std::shared_ptr<ExitTask>> tasks ABSL_GUARDED_BY(mutex);
};

constinit PerProcess<ExitTasks> exit_tasks;

// Not atexit(3), whose handlers run before the destructors of static objects that are older.
[[gnu::destructor]] void DoExitTasks() {
  ExitTasks& all = exit_tasks.Get();
  std::vector<std::shared_ptr<ExitTask>> tasks;
  {
    MutexLock lock(all.mutex);
    all.exiting = true;
    tasks = all.tasks;
  }
  for (const std::shared_ptr<ExitTask>& task : tasks) task->Begin();
  for (const std::shared_ptr<ExitTask>& task : tasks) task->Await();
}

}  // namespace

bool AddExitTask(std::shared_ptr<ExitTask> task) {
  ExitTasks& all = exit_tasks.Get();
  MutexLock lock(all.mutex);
  if (all.exiting) return false;
  all.tasks.push_back(std::move(task));
  return true;
}

void RemoveExitTask(const ExitTask& task) {
  ExitTasks& all = exit_tasks.Get();
  MutexLock lock(all.mutex);
  std::erase_if(all.tasks, [&task](const auto& known) { return known.get() == &task; });
}

}  // namespace nigh
