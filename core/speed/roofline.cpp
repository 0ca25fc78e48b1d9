#include "core/speed/roofline.h"

#include <algorithm>
#include <memory>

#include "core/speed/cases.h"
#include "core/speed/problem.h"
#include "core/speed/products.h"
#include "core/speed/shapes.h"
#include "core/speed/turns.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

constexpr double kLimitSeconds = 0.003;

/// A kernel to be placed in the roofline.
struct Kernel {
  RooflinePoint point;
  Candidate candidate;
  double working_set = 0;  ///< bytes of all its tensors and its scratch memory
};

double bytes(std::int64_t values, double of_one = 4) { return of_one * static_cast<double>(values); }

double tensor_bytes(const AttentionConfig& c) { return kv_bytes_of(c) + bytes(c.batch * c.n_heads * c.seq_q * (2 * c.d_head + 1)); }

/// Runs the backend once to count its work, after it has been checked.
Kernel attention_kernel(const std::string& name, std::shared_ptr<AttentionBackend> backend, const AttentionConfig& config,
                        const SpeedTools& tools) {
  check_against_reference(*backend, config);
  const auto problem = std::make_shared<AttentionProblem>(config);
  AttentionWork work;
  backend->run(config, problem->inputs(), problem->outputs(&work), tools.stop);
  Kernel kernel{{.kernel = name, .flops = work.flops, .bytes = work.bytes_moved, .threads = tools.pool.n_threads()},
                {},
                tensor_bytes(config) + work.bytes_allocated};
  kernel.candidate.call = [&tools, backend, problem] {
    return timed(tools.pool, [&] { backend->run(problem->config(), problem->inputs(), problem->outputs(), tools.stop); });
  };
  return kernel;
}

/// The projections of q, k and v as one product: each operand is counted once, as far as the product leaves its own scratch.
Kernel linear_kernel(const LayerShape& layer, const SpeedTools& tools) {
  const AttentionConfig& c = layer.shape.config;
  const std::int64_t rows = c.seq_q, depth = layer.shape.d_model, width = (c.n_heads + 2 * c.n_kv_heads) * c.d_head;
  const Multiply multiply = [&tools](ConstMatrixView x, ConstMatrixView weight, MatrixView out) {
    linear(tools.pool, x, weight, {}, out);
  };
  check_product("linear", multiply, depth);
  const auto product = std::make_shared<Product>(rows, depth, width);
  const double moved = bytes(rows * depth) + bytes(width * depth) + bytes(rows * width);
  Kernel kernel{{.kernel = "linear q k v",
                 .flops = 2.0 * static_cast<double>(rows) * static_cast<double>(depth * width),
                 .bytes = moved,
                 .threads = tools.pool.n_threads()},
                {},
                moved};
  kernel.candidate.call = [&tools, multiply, product] {
    return timed(tools.pool, [&] { multiply(product->x(), product->weight(), product->out()); });
  };
  return kernel;
}

AttentionConfig decoding(AttentionConfig config, KvStorage storage) {
  config.seq_q = 1;
  config.mask.query_offset = config.mask.direction == Direction::kCausal ? config.seq_k - 1 : 0;
  auto& buckets = config.mask.pattern.query_bucket;
  if (!buckets.empty()) buckets = {buckets.back()};
  config.kv_storage = storage;
  return config;
}

std::vector<Kernel> cpu_kernels(const LayerShape& layer, const SpeedTools& tools) {
  const AttentionConfig& config = layer.shape.config;
  AttentionConfig half = config;
  half.kv_storage = KvStorage::kFloat16;
  const std::shared_ptr<AttentionBackend> naive = make_naive_backend(tools.pool), flash = make_flash_backend(tools.pool);
  std::vector<Kernel> kernels;
  kernels.push_back(attention_kernel("naive", naive, config, tools));
  kernels.push_back(attention_kernel("flash", flash, config, tools));
  kernels.push_back(attention_kernel("flash float16", flash, half, tools));
  kernels.push_back(attention_kernel("decode", flash, decoding(config, KvStorage::kFloat32), tools));
  kernels.push_back(attention_kernel("decode float16", flash, decoding(config, KvStorage::kFloat16), tools));
  kernels.push_back(linear_kernel(layer, tools));
  return kernels;
}

/// The GPU's own kernel, without roofs: they are another machine's. Nothing where there is no GPU that can run it.
std::vector<Kernel> gpu_kernels(const AttentionConfig& config, const SpeedTools& tools) {
  if (!tools.open_gpu) return {};
  try {
    const GpuKernels gpu = tools.open_gpu();
    if (!gpu.fused->supports(config).ok) return {};
    Kernel kernel = attention_kernel("gl", gpu.fused, config, tools);
    kernel.point.threads = 0;
    kernel.candidate.call = [call = kernel.candidate.call, gpu] {
      const double wall = call();
      return gpu.kernel_ms ? gpu.kernel_ms(*gpu.fused) / 1000 : wall;
    };
    std::vector<Kernel> kernels;
    kernels.push_back(std::move(kernel));
    return kernels;
  } catch (const Cancelled&) {
    throw;
  } catch (const Error&) {
    return {};
  }
}

/// Bandwidths of the caches that this machine tells of, and of its memory, from the smallest to the largest.
std::vector<RooflineRoof> read_roofs(const SpeedTools& tools) {
  const auto threads = static_cast<std::size_t>(tools.pool.n_threads());
  const std::size_t l2 = cache_bytes(2), l3 = cache_bytes(3);
  std::vector<RooflineRoof> roofs;
  const auto add = [&](const char* name, std::size_t bytes_per_thread) {
    report_progress(tools, "roofline", 0.1 * static_cast<double>(roofs.size()));
    std::vector<double> rates;
    for (int round = 0; round < std::max(1, tools.budget.rounds); ++round)
      rates.push_back(read_own_gbps(tools.pool, bytes_per_thread, std::min(0.02, tools.budget.seconds / 4)));
    roofs.push_back({name, median(rates), "GB/s", static_cast<double>(bytes_per_thread * threads)});
  };
  if (l2 > 0) add("L2 reads", l2 / 2);
  if (l3 > 0) add("L3 reads", l3 / 2 / threads);
  add("memory reads", std::max<std::size_t>(std::size_t{256} << 20U, 8 * l3) / threads);
  return roofs;
}

/// The fastest roof whose memory holds the working set: twice what was read to measure it, since half of a cache was.
const RooflineRoof& roof_of(double working_set, const std::vector<RooflineRoof>& reads) {
  for (const RooflineRoof& roof : reads) {
    if (working_set <= 2 * roof.working_set) return roof;
  }
  return reads.back();
}

}  // namespace

Roofline measure_roofline(const SpeedShape& shape, const SpeedTools& tools) {
  const LayerShape layer = whole_layer(shape);
  Roofline roofline;
  roofline.shape = layer.shape;
  roofline.note = layer.note;
  roofline.threads = tools.pool.n_threads();
  const std::vector<RooflineRoof> reads = read_roofs(tools);
  std::vector<Kernel> kernels = cpu_kernels(layer, tools);
  for (Kernel& kernel : kernels) {
    kernel.candidate.amount = kernel.point.flops;
    kernel.candidate.limit = [&tools] { return 1e9 * fma_gflops(tools.pool, kLimitSeconds); };
  }
  for (Kernel& kernel : gpu_kernels(layer.shape.config, tools))
    kernels.push_back(std::move(kernel));
  report_progress(tools, "roofline", 0.4);
  std::vector<Candidate> candidates;
  for (const Kernel& kernel : kernels)
    candidates.push_back(kernel.candidate);
  const std::vector<Timing> timings = measure_in_turns(candidates, tools);
  std::vector<double> peaks;
  for (const Timing& timing : timings) {
    if (timing.limit) peaks.push_back(1e-9 * *timing.limit);
  }
  roofline.roofs.push_back({"FMA peak", median(peaks), "GFLOP/s", 0});
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    RooflinePoint point = kernels[i].point;
    point.ms = 1000 * timings[i].seconds;
    point.gflops = 1e-9 * point.flops / timings[i].seconds;
    point.intensity = point.bytes > 0 ? point.flops / point.bytes : 0;
    if (timings[i].limit) {
      const RooflineRoof& read = roof_of(kernels[i].working_set, reads);
      const double slope = point.intensity * read.value, peak = 1e-9 * *timings[i].limit;
      point.roof = slope < peak ? read.name : "FMA peak";
      point.roof_gflops = std::min(slope, peak);
      point.percent_of_roof = 100 * point.gflops / point.roof_gflops;
    }
    roofline.points.push_back(point);
  }
  roofline.roofs.insert(roofline.roofs.end(), reads.begin(), reads.end());
  return roofline;
}

}  // namespace headroom
