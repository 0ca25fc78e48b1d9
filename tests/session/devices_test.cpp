#include "core/session/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "computer_fixture.h"
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

using testing::FakeGpu;
using ::testing::HasSubstr;
using testing::session_after;
using ::testing::StartsWith;

std::shared_ptr<const Snapshot> snapshot_of(FakeGpu& gpu, BackendChoice choice, const std::string& text = "the cat") {
  EngineOptions options = testing::options();
  options.gpu = gpu.provider();
  Computer computer(options);
  return computer.compute(session_after({TextEdited{text}, BackendSet{choice}}).compute, 1);
}

std::string many_words() {
  std::string text;
  for (int i = 0; i < 600; ++i)
    text += "cat ";
  return text;
}

TEST(Devices, TheProcessorsBackendsNameThemselves) {
  FakeGpu gpu;
  EXPECT_EQ(snapshot_of(gpu, BackendChoice::kFlash)->cpu.backend, std::string("CPU · flash · ") + simd_name() + " · 2 threads");
  EXPECT_EQ(snapshot_of(gpu, BackendChoice::kNaive)->cpu.backend, "CPU · naive · Eigen · 2 threads");
  const auto reference = snapshot_of(gpu, BackendChoice::kReference);
  EXPECT_EQ(reference->cpu.backend, "CPU · reference · double · 2 threads");
  EXPECT_EQ(reference->backend_reason, "reference was chosen.");
  EXPECT_FALSE(reference->ran_on_gpu || reference->gpu);
  EXPECT_GT(reference->cpu.total_ms, 0);
  EXPECT_FALSE(reference->cpu.stages.empty());
  EXPECT_EQ(gpu.opened + gpu.asked, 0) << "no GPU is touched unless asked for";
}

TEST(Devices, TheGpuRunsWhenChosen) {
  FakeGpu gpu;
  const auto snapshot = snapshot_of(gpu, BackendChoice::kGl);
  EXPECT_TRUE(snapshot->ran_on_gpu);
  ASSERT_TRUE(snapshot->gpu);
  EXPECT_EQ(snapshot->gpu->backend, "GPU · fake · Fake 3000");
  EXPECT_EQ(gpu.runs, 4) << "one run a layer";
  EXPECT_EQ(gpu.opened, 1);
}

TEST(Devices, AGpuThatCannotFallsBack) {
  for (const int fault : {0, 1, 2, 3}) {
    FakeGpu gpu;
    gpu.fails_to_open = fault == 0;
    gpu.fails_to_run = fault == 1;
    gpu.is_unsupported = fault == 2;
    const std::string why[] = {"no OpenGL 4.3 here", "the fake GPU was lost", "no such kernel", "there is no GPU backend here"};
    EngineOptions options = testing::options();
    if (fault != 3) options.gpu = gpu.provider();
    Computer computer(options);
    const Compute compute = session_after({BackendSet{BackendChoice::kGl}}).compute;
    const auto snapshot = computer.compute(compute, 1);
    EXPECT_FALSE(snapshot->ran_on_gpu);
    EXPECT_THAT(snapshot->cpu.backend, StartsWith("CPU · flash"));
    EXPECT_THAT(snapshot->backend_reason, HasSubstr(why[fault]));
    EXPECT_THAT(snapshot->notices, ::testing::Contains(snapshot->backend_reason)) << "a wish that was not met is said";
    EXPECT_THAT(testing::failure_of([&] { computer.add_other_device_timing(snapshot); }), HasSubstr(why[fault]));
    EXPECT_LE(gpu.opened, 1) << "a GPU that failed is not tried again and again";
    EXPECT_EQ(computer.compute(session_after({TextEdited{"x"}, BackendSet{BackendChoice::kGl}}).compute, 2)->ran_on_gpu, false);
    EXPECT_LE(gpu.opened, 1);
  }
}

TEST(Devices, AGpuThatLacksAKernelIsNotBroken) {
  for (const BackendChoice choice : {BackendChoice::kGl, BackendChoice::kAuto}) {
    FakeGpu gpu;
    gpu.is_unsupported = true;
    EngineOptions options = testing::options();
    options.gpu = gpu.provider();
    Computer computer(options);
    const std::string text = many_words();
    for (const char* const more : {"", "dog"}) {
      const auto snapshot = computer.compute(session_after({TextEdited{text + more}, BackendSet{choice}}).compute, 1);
      EXPECT_FALSE(snapshot->ran_on_gpu);
      EXPECT_THAT(snapshot->backend_reason, HasSubstr("the fake GPU has no such kernel"));
      EXPECT_THAT(snapshot->backend_reason, ::testing::Not(HasSubstr("failed")));
    }
    EXPECT_EQ(gpu.runs, 0);
    gpu.is_unsupported = false;
    gpu.layers_asked = 0;
    computer.compute(session_after({TextEdited{text + "cat"}, BackendSet{choice}}).compute, 2);
    EXPECT_GE(gpu.layers_asked, 4) << "each layer is asked for";
    EXPECT_GE(gpu.runs, 4);
    EXPECT_EQ(gpu.opened, 1);
  }
}

TEST(Devices, AutoLeavesTheGpuAloneForAShortSentence) {
  FakeGpu gpu;
  const auto snapshot = snapshot_of(gpu, BackendChoice::kAuto);
  EXPECT_FALSE(snapshot->ran_on_gpu);
  EXPECT_EQ(snapshot->backend_reason, "auto: the CPU; at this size it answers too fast for a GPU to be felt.");
  EXPECT_EQ(gpu.opened + gpu.asked, 0) << "decided by counted work, however busy the machine is";
}

TEST(Devices, AutoNeverChoosesASoftwareRenderer) {
  FakeGpu gpu;
  gpu.is_software = true;
  const auto snapshot = snapshot_of(gpu, BackendChoice::kAuto, many_words());
  EXPECT_EQ(snapshot->backend_reason, "auto: the GPU here is llvmpipe, a software renderer; the CPU is faster.");
  EXPECT_EQ(gpu.opened, 0);
  gpu.is_available = false;
  EXPECT_EQ(snapshot_of(gpu, BackendChoice::kAuto, many_words())->backend_reason, "auto: the CPU, because no OpenGL 4.3 here");
}

TEST(Devices, AutoMeasuresOncePerSize) {
  FakeGpu gpu;
  EngineOptions options = testing::options();
  options.gpu = gpu.provider();
  Computer computer(options);
  const std::string text = many_words();
  const auto first = computer.compute(session_after({TextEdited{text}}).compute, 1);
  ASSERT_TRUE(first->gpu) << "long enough that the GPU was asked";
  EXPECT_FALSE(first->ran_on_gpu);
  EXPECT_EQ(gpu.runs, 8) << "one pass to warm up, one to measure";
  const bool gpu_is_faster = first->gpu->total_ms < first->cpu.total_ms;
  const auto second = computer.compute(session_after({TextEdited{text + "dog"}}).compute, 2);
  EXPECT_EQ(second->ran_on_gpu, gpu_is_faster);
  EXPECT_THAT(second->backend_reason, HasSubstr("measured faster"));
  EXPECT_EQ(gpu.runs, gpu_is_faster ? 12 : 8);
}

TEST(Devices, TheOtherDeviceIsMeasuredOnRequest) {
  FakeGpu gpu;
  EngineOptions options = testing::options();
  options.gpu = gpu.provider();
  Computer computer(options);
  const auto on_cpu = computer.compute(Compute{}, 1);
  const auto both = computer.add_other_device_timing(on_cpu);
  ASSERT_TRUE(both->gpu);
  EXPECT_GT(both->gpu->total_ms, 0);
  EXPECT_NE(both->version, on_cpu->version);
  EXPECT_EQ(both->id, on_cpu->id);
  EXPECT_EQ(both->cpu.total_ms, on_cpu->cpu.total_ms);
  const auto on_gpu = computer.compute(session_after({BackendSet{BackendChoice::kGl}}).compute, 2);
  EXPECT_TRUE(on_gpu->cpu.stages.empty());
  const auto with_cpu = computer.add_other_device_timing(on_gpu);
  EXPECT_THAT(with_cpu->cpu.backend, StartsWith("CPU · flash"));
  EXPECT_GT(with_cpu->cpu.total_ms, 0);
}

}  // namespace
}  // namespace headroom
