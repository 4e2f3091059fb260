#include "nigh/testing/fault_script.h"

#include <signal.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/testing/faulty_transport.h"
#include "nigh/transport/address.h"

namespace nigh::testing {
namespace {

TEST(FaultScript, NothingIsNoFault) {
  const ConnectionFaults faults = FaultScript::Parse("").value().Of(1);
  EXPECT_TRUE(faults.in.empty());
  EXPECT_TRUE(faults.out.empty());
  EXPECT_EQ(faults.dial_error, 0);
  EXPECT_EQ(faults.nuisance.chunk, 0);
}

TEST(FaultScript, FaultsComeInTheOrderOfTheirBytes) {
  const ConnectionFaults faults =
      FaultScript::Parse("in@9=cut,in@2=again(7),out@5=delay(2ms),in@2=kill-peer").value().Of(1);
  ASSERT_EQ(faults.in.size(), 3);
  EXPECT_EQ(faults.in[0].kind, Fault::Kind::kAgain);
  EXPECT_EQ(faults.in[0].times, 7);
  EXPECT_EQ(faults.in[1].kind, Fault::Kind::kSignal);
  EXPECT_EQ(faults.in[1].signal, SIGKILL);
  EXPECT_TRUE(faults.in[1].to_peer);
  EXPECT_EQ(faults.in[2].at, 9);
  ASSERT_EQ(faults.out.size(), 1);
  EXPECT_EQ(faults.out[0].delay, absl::Milliseconds(2));
}

TEST(FaultScript, AFaultIsOfOneConnectionOrOfEach) {
  const FaultScript script =
      FaultScript::Parse("in@1=cut,#3/in@1=drop,*/in@0=end,#2/dial=ENOMEM,chunk=4,noise=9/5")
          .value();
  EXPECT_EQ(script.Of(1).in.size(), 2);
  EXPECT_EQ(script.Of(2).in.size(), 1);
  EXPECT_EQ(script.Of(3).in.size(), 2);
  EXPECT_EQ(script.Of(1).dial_error, 0);
  EXPECT_EQ(script.Of(2).dial_error, ENOMEM);
  EXPECT_EQ(script.Of(7).nuisance.chunk, 4);
  EXPECT_EQ(script.Of(7).nuisance.seed, 9);
  EXPECT_EQ(script.Of(7).nuisance.percent, 5);
}

TEST(FaultScript, WhatItCannotReadItNames) {
  for (const absl::string_view text : {"cut",
                                       "in=cut",
                                       "in@=cut",
                                       "in@x=cut",
                                       "in@-1=cut",
                                       "up@1=cut",
                                       "in@1=",
                                       "in@1=cutt",
                                       "in@1=again",
                                       "in@1=again(0)",
                                       "in@1=again(x)",
                                       "in@1=delay(5)",
                                       "in@1=delay(-1s)",
                                       "#0/in@1=cut",
                                       "#x/in@1=cut",
                                       "dial=EWHATEVER",
                                       "chunk=0",
                                       "chunk=",
                                       "noise=1",
                                       "noise=1/100",
                                       "noise=x/1"}) {
    const absl::StatusOr<FaultScript> script = FaultScript::Parse(text);
    EXPECT_TRUE(absl::IsInvalidArgument(script.status())) << text;
    EXPECT_TRUE(absl::StrContains(script.status().message(), text)) << script.status();
  }
}

TEST(FaultyAddress, WhatItCannotReadItNames) {
  for (const absl::string_view text :
       {"faulty:unix", "faulty:in@1=cut", "faulty:in@1=what:unix:/x", "faulty::nowhere:/x"}) {
    const Address address = Address::Parse(text).value();
    for (const absl::Status& status :
         {DialFaulty(address).status(), ListenFaulty(address).status()}) {
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << text << ": " << status;
    }
  }
}

}  // namespace
}  // namespace nigh::testing
