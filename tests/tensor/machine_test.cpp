#include "core/tensor/machine.h"

#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "core/tensor/aligned_buffer.h"

namespace headroom {
namespace {

TEST(Machine, LimitsArePlausibleOnOneThreadAndOnSeveral) {
  const AlignedBuffer<float> values(10000);
  const auto bytes = std::as_bytes(values.span());
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const auto expect_plausible = [](double rate) {
      EXPECT_GT(rate, 0.01);
      EXPECT_LT(rate, 100000);
    };
    expect_plausible(fma_gflops(pool, 0.0005));
    expect_plausible(read_own_gbps(pool, 4096, 0.0005));
    expect_plausible(read_gbps(pool, std::array{bytes}, ReadOrder::kOneStream));
    expect_plausible(read_gbps(pool, std::array{bytes, bytes}, ReadOrder::kFourStreams));
  }
}

TEST(Machine, AClockOfOneThreadDoesNotRunWhileItSleeps) {
  const WorkClock thread(1), wall(2);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double thread_seconds = thread.seconds();
  EXPECT_GE(wall.seconds(), 0.02);
  EXPECT_LT(thread_seconds, 0.02);
}

TEST(Machine, TellsItsNameAndCaches) {
  EXPECT_FALSE(cpu_name().empty());
  const std::size_t l1 = cache_bytes(1), l2 = cache_bytes(2);
  EXPECT_TRUE(l1 == 0 || l1 >= 4096) << l1;
  EXPECT_TRUE(l2 == 0 || l2 > l1) << l2;
  EXPECT_EQ(cache_bytes(9), 0U);
}

}  // namespace
}  // namespace headroom
