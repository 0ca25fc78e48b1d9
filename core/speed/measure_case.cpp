#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/speed/cases.h"
#include "core/speed/linear_run.h"
#include "core/speed/problem.h"
#include "core/speed/products.h"
#include "core/speed/turns.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// Of one look at a limit. Several threads must first be woken, which the wall clock sees.
double limit_seconds(const ThreadPool& pool) { return pool.n_threads() == 1 ? 0.003 : 0.01; }
/// By default a software GPU is spared what would take it many seconds.
constexpr double kMostSoftwareFlops = 10e9;

/// A row to be filled, and what fills it. It owns what the candidate's functions work on.
struct Job {
  SpeedRow row;
  Candidate candidate;
  double kv_bytes = 0;  ///< of decoding
  double flops = 0;     ///< of one call
};

enum class KvPlace { kCache, kMemory };

/// What the jobs of one case share.
struct Bench {
  const SpeedCase& c;
  const CaseRequest& request;
  const SpeedTools& tools;
  std::optional<GpuKernels> gpu = {};
  /// Of the software GPU, which takes all processors whatever the pool has.
  std::shared_ptr<ThreadPool> all_processors = {};
  std::vector<Job> jobs = {};

  SpeedRow row(const std::string& backend) const {
    SpeedRow row;
    row.name = c.name;
    row.backend = backend;
    row.threads = tools.pool.n_threads();
    row.clock = WorkClock::name(row.threads);
    row.storage = kv_storage_name(c.config.kv_storage);
    return row;
  }
};

std::function<double()> fma_limit(ThreadPool& pool) {
  return [&pool] { return 1e9 * fma_gflops(pool, limit_seconds(pool)); };
}

/// The better of both ways to read K and V, in bytes a second: the copy that comes next, or the same one where there is only one.
std::function<double()> kv_read_limit(ThreadPool& pool, const std::shared_ptr<AttentionProblem>& problem) {
  return [&pool, problem] {
    double best = 0;
    for (const ReadOrder order : {ReadOrder::kOneStream, ReadOrder::kFourStreams}) {
      // Small caches are read several times: one pass would be over before the clock moves.
      const WorkClock clock(pool.n_threads());
      double passes = 0, sum = 0;
      do {
        problem->turn_to_next_copy();
        sum += 1 / read_gbps(pool, problem->kv_blocks(), order);
        ++passes;
      } while (clock.seconds() < limit_seconds(pool) / 2);
      best = std::max(best, passes / sum);
    }
    return 1e9 * best;
  };
}

std::shared_ptr<AttentionBackend> make_cpu_backend(const std::string& name, ThreadPool& pool) {
  if (name == "reference") return make_reference_backend();
  if (name == "naive") return make_naive_backend(pool);
  return make_flash_backend(pool);
}

void finish_fma(Job& job, ThreadPool& pool) {
  job.candidate.amount = job.flops;
  job.candidate.limit = fma_limit(pool);
  job.row.limit = "FMA peak";
  job.row.limit_unit = "GFLOP/s";
}

void finish_read(Job& job, KvPlace place, ThreadPool& pool, const std::shared_ptr<AttentionProblem>& problem) {
  job.kv_bytes = job.candidate.amount = kv_bytes_of(problem->config());
  job.candidate.limit = kv_read_limit(pool, problem);
  job.row.limit = place == KvPlace::kCache ? "cache read" : "memory read";
  job.row.limit_unit = "GB/s";
}

/// The limit of what runs on the GPU: its own peak, or the processors' where it is software. `problem` is set for attention.
void finish_gpu(Job& job, Bench& bench, const std::shared_ptr<AttentionProblem>& problem) {
  const bool is_decoding = bench.c.kind == SpeedCase::Kind::kDecode;
  job.row.threads = 0;
  job.row.clock = bench.gpu->kernel_ms || bench.c.kind == SpeedCase::Kind::kProduct ? "gpu" : "wall";
  if (is_decoding) job.kv_bytes = kv_bytes_of(bench.c.config);
  if (bench.gpu->is_software) {
    if (!bench.all_processors) bench.all_processors = std::make_shared<ThreadPool>();
    job.row.threads = bench.all_processors->n_threads();
    is_decoding ? finish_read(job, KvPlace::kCache, *bench.all_processors, problem) : finish_fma(job, *bench.all_processors);
  } else if (bench.gpu->fma_gflops && !is_decoding) {
    job.candidate.amount = job.flops;
    job.candidate.limit = [peak = bench.gpu->fma_gflops] { return 1e9 * peak(); };
    job.row.limit = "GPU FMA peak";
    job.row.limit_unit = "GFLOP/s";
  }
}

void add_attention(Bench& bench, const std::string& name) {
  const bool is_gpu = name == "gl";
  const auto backend = is_gpu ? bench.gpu->fused : make_cpu_backend(name, bench.tools.pool);
  if (const Support support = backend->supports(bench.c.config); !support.ok) {
    if (!bench.request.backends.empty()) throw Error(name + " cannot run " + bench.c.name + ": " + support.reason);
    return;
  }
  Job job{bench.row(name), {}, 0, flops_of(bench.c)};
  job.row.largest_error = check_against_reference(*backend, bench.c.config);
  const auto problem = std::make_shared<AttentionProblem>(bench.c.config);
  const auto run = [backend, problem, stop = bench.tools.stop] {
    backend->run(problem->config(), problem->inputs(), problem->outputs(), stop);
  };
  if (is_gpu) {
    job.candidate.call = [gpu = *bench.gpu, run] {
      const WorkClock clock(0);  // the wall's
      run();
      return gpu.kernel_ms ? gpu.kernel_ms(*gpu.fused) / 1000 : clock.seconds();
    };
    finish_gpu(job, bench, problem);
  } else {
    job.candidate.call = [&pool = bench.tools.pool, run] { return timed(pool, run); };
    finish_fma(job, bench.tools.pool);
  }
  bench.jobs.push_back(std::move(job));
}

/// Another function with work of its own, counted as it runs: O(n d²).
void add_linear_attention(Bench& bench) {
  LinearRun linear = prepare_linear_attention(bench.c.config, bench.tools.pool, bench.tools.stop);
  Job job{bench.row("linear"), {}, 0, linear.work.flops};
  job.row.largest_error = linear.largest_error;
  job.candidate.call = [&pool = bench.tools.pool, run = std::move(linear.run)] { return timed(pool, run); };
  finish_fma(job, bench.tools.pool);
  bench.jobs.push_back(std::move(job));
}

void add_decoding(Bench& bench, const std::string& name, KvStorage storage, KvPlace place) {
  AttentionConfig config = bench.c.config;
  config.kv_storage = storage;
  ThreadPool& pool = bench.tools.pool;
  const auto backend = make_cpu_backend(name, pool);
  Job job{bench.row(name), {}, 0, flops_of(bench.c)};
  job.row.storage = kv_storage_name(storage);
  job.row.largest_error = check_against_reference(*backend, config);
  const auto problem = std::make_shared<AttentionProblem>(config, place == KvPlace::kMemory ? bench.request.memory_bytes : 0);
  job.candidate.call = [&pool, backend, problem, stop = bench.tools.stop] {
    problem->turn_to_next_copy();
    return timed(pool, [&] { backend->run(problem->config(), problem->inputs(), problem->outputs(), stop); });
  };
  finish_read(job, place, pool, problem);
  bench.jobs.push_back(std::move(job));
}

void add_decoding(Bench& bench, const std::string& name) {
  if (name == "gl") {
    add_attention(bench, name);
    return;
  }
  const bool is_flash = name == "flash";
  for (const KvPlace place : {KvPlace::kCache, KvPlace::kMemory}) {
    add_decoding(bench, name, KvStorage::kFloat32, place);
    if (!is_flash) return;  // the others widen 16 bits first: nothing to see
    add_decoding(bench, name, KvStorage::kFloat16, place);
    add_decoding(bench, name, KvStorage::kBFloat16, place);
  }
}

Multiply multiply_of(const Bench& bench, const std::string& name) {
  if (name == "reference") return multiply_plainly;
  if (name == "gl") {
    if (!bench.gpu->multiply_ms) return {};
    return [gpu = *bench.gpu](ConstMatrixView x, ConstMatrixView weight, MatrixView out) { gpu.multiply_ms(x, weight, out); };
  }
  ThreadPool& pool = bench.tools.pool;
  if (name == "naive") {
    return [&pool](ConstMatrixView x, ConstMatrixView weight, MatrixView out) { multiply_by_eigen(pool, x, weight, out); };
  }
  return [&pool](ConstMatrixView x, ConstMatrixView weight, MatrixView out) { linear(pool, x, weight, {}, out); };
}

void add_product(Bench& bench, const std::string& name) {
  const SpeedCase& c = bench.c;
  const Multiply multiply = multiply_of(bench, name);
  if (!multiply) {
    if (!bench.request.backends.empty()) throw Error(name + " cannot run " + c.name + ": this device's products are not measured");
    return;
  }
  Job job{bench.row(name), {}, 0, flops_of(c)};
  job.row.largest_error = check_product(name, multiply, c.depth);
  const auto product = std::make_shared<Product>(c.rows, c.depth, c.width);
  const auto run = [multiply, product] { multiply(product->x(), product->weight(), product->out()); };
  if (name == "gl") {
    job.candidate.call = [gpu = *bench.gpu, product] {
      return gpu.multiply_ms(product->x(), product->weight(), product->out()) / 1000;
    };
    finish_gpu(job, bench, nullptr);
  } else {
    job.candidate.call = [&pool = bench.tools.pool, run] { return timed(pool, run); };
    finish_fma(job, bench.tools.pool);
  }
  bench.jobs.push_back(std::move(job));
}

/// Opens the GPU where it is asked for, or, by default, where there is one.
std::vector<std::string> choose_backends(Bench& bench) {
  const std::vector<std::string>& asked = bench.request.backends;
  const auto& known = speed_backends();
  for (const std::string& name : asked) {
    if (std::find(known.begin(), known.end(), name) == known.end()) throw Error("there is no backend \"" + name + "\"");
  }
  std::vector<std::string> names = asked.empty() ? std::vector<std::string>{"flash", "naive"} : asked;
  const bool wants_gpu = std::find(names.begin(), names.end(), "gl") != names.end();
  if (wants_gpu && !bench.tools.open_gpu) throw Error("there is no GPU backend here");
  std::erase_if(names, [&](const std::string& name) {
    const auto& left_out = bench.request.left_out;
    return asked.empty() && std::find(left_out.begin(), left_out.end(), name) != left_out.end();
  });
  if (!wants_gpu && (!asked.empty() || !bench.tools.open_gpu)) return names;
  try {
    bench.gpu = bench.tools.open_gpu();
    const bool is_slow = bench.gpu->is_software && flops_of(bench.c) > kMostSoftwareFlops;
    if (!wants_gpu && !is_slow) names.push_back("gl");
  } catch (const Cancelled&) {
    throw;
  } catch (const Error&) {
    if (wants_gpu) throw;
  }
  return names;
}

SpeedRow filled(const Job& job, const Timing& timing) {
  SpeedRow row = job.row;
  row.ms = 1000 * timing.seconds;
  row.gflops = 1e-9 * job.flops / timing.seconds;
  row.rounds = timing.rounds;
  if (timing.ratio) {
    row.percent_of_limit = 100 * *timing.ratio;
    row.limit_value = 1e-9 * *timing.limit;
  }
  if (job.kv_bytes > 0) row.gbps = 1e-9 * job.kv_bytes / timing.seconds;
  return row;
}

}  // namespace

std::vector<SpeedRow> measure_case(const SpeedCase& c, const CaseRequest& request, const SpeedTools& tools) {
  Bench bench{c, request, tools};
  for (const std::string& name : choose_backends(bench)) {
    report_progress(tools, c.name, 0);
    if (name == "linear" && c.kind == SpeedCase::Kind::kProduct) {
      throw Error("linear is a kind of attention: it cannot run " + c.name);
    }
    if (name == "linear") {
      add_linear_attention(bench);
    } else if (c.kind == SpeedCase::Kind::kProduct) {
      add_product(bench, name);
    } else if (c.kind == SpeedCase::Kind::kDecode) {
      add_decoding(bench, name);
    } else {
      add_attention(bench, name);
    }
  }
  std::vector<Candidate> candidates;
  for (const Job& job : bench.jobs)
    candidates.push_back(job.candidate);
  const std::vector<Timing> timings = measure_in_turns(candidates, tools);
  std::vector<SpeedRow> rows;
  for (std::size_t i = 0; i < timings.size(); ++i)
    rows.push_back(filled(bench.jobs[i], timings[i]));
  return rows;
}

}  // namespace headroom
