#include "app/painters/tile_work.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "app/painters/tile_resample.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// A few milliseconds on one core.
constexpr double kStripCost = 1.5e8;
constexpr int kMostThreads = 16;
/// How often a frame is asked for only because a part of a tile came nearer.
constexpr std::chrono::milliseconds kProgressEvery{150};

/// The request in pieces of whole cell rows. One whose rows are of uneven height stays whole: its pieces would round otherwise.
std::vector<TileRequest> strips_of(const TileJob& job) {
  const TileRequest& r = job.request;
  const double cost = cost_of(*job.trace, r, job.kind);
  if (cost <= kStripCost || r.rows <= 1 || row_span(r) % r.rows != 0) return {r};
  const auto n = static_cast<std::int64_t>(std::min(static_cast<double>(r.rows), std::ceil(cost / kStripCost)));
  const std::int64_t height = row_span(r) / r.rows;
  std::vector<TileRequest> strips;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t first = i * r.rows / n, last = (i + 1) * r.rows / n;
    TileRequest strip = r;
    strip.row_begin = r.row_begin + first * height;
    strip.row_end = r.row_begin + last * height;
    strip.rows = last - first;
    strips.push_back(strip);
  }
  return strips;
}

}  // namespace

double cost_of(const ForwardTrace& trace, const TileRequest& r, TileJob::Kind kind) {
  const auto layer = static_cast<std::size_t>(r.layer);
  const double d_head = layer < trace.layers.size() ? static_cast<double>(trace.layers[layer].d_head) : 0;
  const double rows = static_cast<double>(r.row_samples > 0 ? std::min(row_span(r), r.rows * r.row_samples) : row_span(r));
  const double keys = static_cast<double>(kind == TileJob::Kind::kCells ? col_span(r) : std::ssize(trace.ids));
  return rows * keys * d_head;
}

struct TileWork::State {
  std::function<void()> wake;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<std::shared_ptr<TileJob>> jobs;  // guarded by mutex, as all below; sorted by order, then by age
  std::vector<std::shared_ptr<TileJob>> done;
  int n_busy = 0;
  std::chrono::steady_clock::time_point woken;
  std::vector<std::jthread> threads;  // last: they end before what they use

  std::shared_ptr<TileJob> next_job() const {
    const auto found = std::find_if(jobs.begin(), jobs.end(), [](const auto& job) { return job->n_taken_ < job->strips_.size(); });
    return found == jobs.end() ? nullptr : *found;
  }

  /// The strip's cells, written to their place in the whole: no two strips share any.
  static void evaluate(TileJob& job, const TileRequest& strip) {
    const std::int64_t first = (strip.row_begin - job.request.row_begin) * job.request.rows / row_span(job.request);
    try {
      if (job.kind == TileJob::Kind::kRowExtents) {
        const std::vector<RowExtent> extents = row_extents(*job.trace, strip, job.stop_.get_token());
        std::copy(extents.begin(), extents.end(), job.extents->begin() + first);
        return;
      }
      const Tile tile = evaluate_tile(*job.trace, strip, job.stop_.get_token());
      std::copy(tile.values.begin(), tile.values.end(), job.tile->values.begin() + first * job.request.cols);
      if (!job.tile->not_numbers.empty())
        std::copy(tile.not_numbers.begin(), tile.not_numbers.end(), job.tile->not_numbers.begin() + first * job.request.cols);
    } catch (const Error&) {
      // Dropped meanwhile, or a request beyond this trace: its cells stay masked rather than ending the program.
    }
  }

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (changed.wait(lock, stop, [&] { return next_job() != nullptr; })) {
      const std::shared_ptr<TileJob> job = next_job();
      const TileRequest strip = job->strips_[job->n_taken_++];
      ++n_busy;
      lock.unlock();
      evaluate(*job, strip);
      lock.lock();
      const auto found = std::find(jobs.begin(), jobs.end(), job);
      const bool is_last = ++job->n_done_ == job->strips_.size();
      const bool is_answer = is_last && found != jobs.end();
      if (is_answer) {
        jobs.erase(found);
        done.push_back(job);
      }
      const auto now = std::chrono::steady_clock::now();
      if (is_answer || now - woken >= kProgressEvery) {
        woken = now;
        lock.unlock();
        wake();
        lock.lock();
      }
      --n_busy;
      changed.notify_all();
    }
  }
};

TileWork::TileWork(std::function<void()> wake, int n_threads) : state_(std::make_unique<State>()) {
  state_->wake = wake ? std::move(wake) : [] {};
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  const int n = std::clamp(n_threads > 0 ? n_threads : processors, 1, kMostThreads);
  for (int i = 0; i < n; ++i)
    state_->threads.emplace_back([state = state_.get()](const std::stop_token& stop) { state->work(stop); });
}

TileWork::~TileWork() {
  {
    const std::scoped_lock lock(state_->mutex);
    for (const auto& job : state_->jobs)
      job->stop_.request_stop();
  }
  for (std::jthread& thread : state_->threads)
    thread.request_stop();
}

void TileWork::add(const std::shared_ptr<TileJob>& job) {
  job->strips_ = strips_of(*job);
  if (job->kind == TileJob::Kind::kRowExtents) {
    constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    job->extents =
        std::make_shared<std::vector<RowExtent>>(static_cast<std::size_t>(job->request.rows), RowExtent{kNaN, kNaN, kNaN, kNaN});
  } else {
    job->tile = std::make_shared<Tile>();
    job->tile->request = job->request;
    job->tile->values.assign(static_cast<std::size_t>(job->request.rows * job->request.cols),
                             std::numeric_limits<float>::quiet_NaN());
    const auto layer = static_cast<std::size_t>(job->request.layer);
    const bool is_stored = layer < job->trace->layers.size() && job->trace->layers[layer].stored != nullptr;
    if (is_stored) job->tile->not_numbers.assign(job->tile->values.size(), 0);
  }
  const std::scoped_lock lock(state_->mutex);
  auto& jobs = state_->jobs;
  const auto at = std::upper_bound(jobs.begin(), jobs.end(), job, [](const auto& a, const auto& b) { return a->order < b->order; });
  jobs.insert(at, job);
  state_->changed.notify_all();
}

void TileWork::drop(const TileJob& job) {
  const std::scoped_lock lock(state_->mutex);
  auto& jobs = state_->jobs;
  const auto found = std::find_if(jobs.begin(), jobs.end(), [&](const auto& other) { return other.get() == &job; });
  if (found == jobs.end()) return;
  (*found)->stop_.request_stop();
  jobs.erase(found);
  state_->changed.notify_all();
}

std::vector<std::shared_ptr<TileJob>> TileWork::take_done() {
  const std::scoped_lock lock(state_->mutex);
  return std::exchange(state_->done, {});
}

double TileWork::share_done(const TileJob& job) const {
  const std::scoped_lock lock(state_->mutex);
  return job.strips_.empty() ? 0 : static_cast<double>(job.n_done_) / static_cast<double>(job.strips_.size());
}

void TileWork::finish() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->jobs.empty() && state_->n_busy == 0; });
}

}  // namespace headroom
