#include "nigh/runtime/server/account.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/descriptors.h"

namespace nigh {

Account::Account(Limits limits, std::shared_ptr<Account> user,
                 std::shared_ptr<DescriptorCount> whole)
    : limits_(std::move(limits)),
      user_(std::move(user)),
      kept_(user_ == nullptr ? nullptr : &user_->kept_),
      spare_(user_ == nullptr ? nullptr : &user_->spare_),
      windows_(user_ == nullptr ? nullptr : &user_->windows_),
      descriptors_(std::make_shared<DescriptorCount>(
          DescriptorCount::Limit{.whose = limits_.whose,
                                 .most = limits_.descriptors,
                                 .remedy = limits_.descriptors_remedy},
          whole)),
      departing_(std::make_shared<DescriptorCount>(
          DescriptorCount::Limit{
              .whose = absl::StrCat("replies that have not left ", limits_.whose),
              .most = limits_.descriptors,
              .remedy = limits_.descriptors_remedy},
          std::move(whole))) {}

absl::Status Account::TooMuchToKeep(absl::string_view method, absl::string_view what,
                                    size_t bytes) const {
  // Another thread may have made room meanwhile.
  const Account* const found = WhoMayNotKeep(bytes);
  const Account& full = found == nullptr ? *this : *found;
  return absl::ResourceExhaustedError(
      absl::StrCat(method, ": ", what, " of ", bytes, " bytes, where ", full.kept_.bytes(), " of ",
                   full.limits_.bytes, " are kept for ", full.limits_.whose,
                   " already (raise ServerOptions::", full.limits_.bytes_option, ")"));
}

absl::Status Account::TakeThread(absl::string_view method) {
  if (threads_.fetch_add(1, std::memory_order_relaxed) >= limits_.threads) {
    threads_.fetch_sub(1, std::memory_order_relaxed);
    return absl::ResourceExhaustedError(
        absl::StrCat(method, ": handlers of ", limits_.whose, " have ", limits_.threads,
                     " threads already (raise ServerOptions::", limits_.threads_option, ")"));
  }
  if (user_ == nullptr) return absl::OkStatus();
  absl::Status taken = user_->TakeThread(method);
  if (!taken.ok()) threads_.fetch_sub(1, std::memory_order_relaxed);
  return taken;
}

void Account::GiveThreadBack() {
  for (Account* account = this; account != nullptr; account = account->user_.get()) {
    account->threads_.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace nigh
