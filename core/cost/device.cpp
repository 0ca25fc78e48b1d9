#include "core/cost/device.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>

#include "core/cost/thousands.h"
#include "core/tensor/aligned_buffer.h"
#include "core/tensor/machine.h"
#include "core/tensor/memory.h"

namespace headroom {
namespace {

/// Bytes a second of reading a block that no cache holds: the best of many passes, since other programs can only slow one down.
double read_bandwidth(ThreadPool& pool, double seconds) {
  constexpr std::size_t kLeast = std::size_t{64} << 20U, kMost = std::size_t{1} << 30U;
  const std::size_t free = static_cast<std::size_t>(std::clamp<std::int64_t>(free_bytes() / 4, 1 << 20, 1 << 30));
  const std::size_t bytes = std::min(free, std::clamp(4 * cache_bytes(3), kLeast, kMost));
  AlignedBuffer<std::byte> block(bytes);
  std::fill_n(block.data(), bytes, std::byte{1});  // memory that was never written need not be there
  const std::array blocks{std::span<const std::byte>(block.data(), bytes)};
  double best = 0;
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (const ReadOrder order : {ReadOrder::kOneStream, ReadOrder::kFourStreams})
      best = std::max(best, read_gbps(pool, blocks, order));
  } while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds);
  return best * 1e9;
}

}  // namespace

const char* basis_name(Basis basis) {
  switch (basis) {
    case Basis::kComputed:
      return "computed";
    case Basis::kMeasured:
      return "measured";
    case Basis::kCited:
      return "data sheet";
    case Basis::kEstimated:
      return "estimated";
  }
  return "";
}

double peak_flops(const Device& device, KvType weights) {
  return weights == KvType::kFloat32 ? device.flops_float32 : device.flops_16;
}

Device measure_this_machine(ThreadPool& pool, double seconds) {
  Device device;
  device.id = kThisMachine;
  device.name = cpu_name();
  device.memory_bytes = static_cast<double>(free_bytes());
  device.usable_share = 1;
  device.bandwidth = read_bandwidth(pool, seconds);
  constexpr int kWindows = 3;
  for (int window = 0; window < kWindows; ++window)
    device.flops_float32 = std::max(device.flops_float32, 1e9 * fma_gflops(pool, seconds / kWindows));
  device.flops_16 = device.flops_float32;
  device.basis = Basis::kMeasured;
  const std::string threads = std::to_string(pool.n_threads()) + (pool.n_threads() == 1 ? " thread" : " threads");
  device.source = "measured now on " + threads + " (" + simd_name() +
                  "): multiply-adds in registers, and reading a block larger than the caches; the best of several";
  device.note = "Memory is what is free now, of " + decimal_text(static_cast<double>(machine_bytes()) / (1 << 30), 1) +
                " GiB. This program widens 16-bit numbers and sums in float32, so they compute as float32 does.";
  return device;
}

const Device* find_device(const std::vector<Device>& devices, std::string_view id) {
  const auto found = std::find_if(devices.begin(), devices.end(), [&](const Device& device) { return device.id == id; });
  return found == devices.end() ? nullptr : &*found;
}

}  // namespace headroom
