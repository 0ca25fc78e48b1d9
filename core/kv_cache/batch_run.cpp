#include "core/kv_cache/batch_run.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kMostPagesKept = 4'000'000;

/// A request that has arrived and is not done.
struct Live {
  std::int64_t request = 0;
  std::int64_t n_written = 0;  ///< tokens of its answer
  std::size_t stint = 0;       ///< while it runs
};

BatchSide make_side(const BatchJob& job, CacheLayout layout) {
  BatchSide side{.layout = layout, .page_rows = layout == CacheLayout::kPaged ? job.page_rows : job.plan.max_tokens};
  side.page_bytes = side.page_rows * job.token_bytes;
  side.n_pages = static_cast<std::int64_t>(job.plan.memory_mib * 1048576.0) / side.page_bytes;
  return side;
}

/// One side of a batch, step by step. Contiguous reservation is paging too, with a page that holds all of a request.
class Simulation {
 public:
  Simulation(const BatchJob& job, const std::vector<BatchRequest>& requests, CacheLayout layout)
      : job_(job),
        requests_(requests),
        side_(make_side(job, layout)),
        n_prefix_pages_(job.plan.shared_prefix / side_.page_rows),
        // Where the memory holds no page nobody is let in.
        pool_(side_.page_bytes, std::max<std::int64_t>(side_.n_pages, 1), PageMemory::kCounted),
        was_admitted_(requests.size()) {}

  /// `progress` is told the share of the requests that are done. Errors  Cancelled.
  BatchSide run(const std::function<void(double)>& progress);

 private:
  const BatchRequest& request_of(const Live& live) const { return requests_[static_cast<std::size_t>(live.request)]; }
  BatchStint& stint_of(const Live& live) { return side_.stints[live.stint]; }
  std::int64_t n_pages_of(std::int64_t n_tokens) const { return (n_tokens + side_.page_rows - 1) / side_.page_rows; }
  std::int64_t n_done() const { return side_.n_finished + side_.n_refused; }

  void arrive(std::int64_t step);
  void grow(std::int64_t step, BatchStep& now);
  void admit(std::int64_t step, BatchStep& now);
  void start(Live live, std::int64_t step);
  void measure(std::int64_t step, BatchStep& now) const;
  void finish(std::int64_t step, BatchStep& now);
  void leave(const Live& live, std::int64_t last_step);
  void sum_up();

  const BatchJob& job_;
  const std::vector<BatchRequest>& requests_;
  BatchSide side_;
  std::int64_t n_prefix_pages_;  // of the shared beginning, whole ones
  PagePool pool_;
  std::deque<Live> waiting_;
  std::vector<Live> running_;  // in the order of admission
  std::vector<bool> was_admitted_;
  std::size_t n_arrived_ = 0;
  std::int64_t n_pages_kept_ = 0;  // in the stints
  double waited_ = 0, n_written_ = 0;
};

void Simulation::arrive(std::int64_t step) {
  for (; n_arrived_ < requests_.size() && requests_[n_arrived_].arrival <= step; ++n_arrived_) {
    if (n_pages_of(requests_[n_arrived_].most_held()) > side_.n_pages) {
      ++side_.n_refused;
    } else {
      waiting_.push_back({static_cast<std::int64_t>(n_arrived_)});
    }
  }
}

/// Every request that runs reads the token it wrote last.
void Simulation::grow(std::int64_t step, BatchStep& now) {
  for (std::size_t at = 0; at < running_.size(); ++at) {
    BatchStint& stint = stint_of(running_[at]);
    if (n_pages_of(stint.n_tokens_at(step)) <= std::ssize(stint.pages)) continue;
    while (pool_.n_free() == 0) {
      const Live last = running_.back();
      running_.pop_back();
      leave(last, step - 1);
      waiting_.push_front(last);
      ++now.n_preempted;
      if (at == running_.size()) return;  // it was this one, and none is behind it
    }
    stint.pages.push_back(pool_.allocate());
    ++n_pages_kept_;
  }
}

void Simulation::admit(std::int64_t step, BatchStep& now) {
  while (!waiting_.empty()) {
    const Live& first = waiting_.front();
    const BatchRequest& request = request_of(first);
    const std::int64_t n_tokens = std::min(request.prompt + first.n_written + 1, request.most_held());
    if (n_pages_of(n_tokens) - (running_.empty() ? 0 : n_prefix_pages_) > pool_.n_free()) return;
    start(first, step);
    waiting_.pop_front();
    ++now.n_admitted;
  }
}

void Simulation::start(Live live, std::int64_t step) {
  const BatchRequest& request = request_of(live);
  BatchStint stint{.request = live.request, .first_step = step, .n_tokens = request.prompt + live.n_written};
  if (!running_.empty()) {
    const std::vector<PageId>& holder = stint_of(running_.front()).pages;
    stint.pages.assign(holder.begin(), holder.begin() + n_prefix_pages_);
    for (const PageId page : stint.pages)
      pool_.share(page);
  }
  while (std::ssize(stint.pages) < n_pages_of(stint.n_tokens))
    stint.pages.push_back(pool_.allocate());
  n_pages_kept_ += std::ssize(stint.pages);
  if (!was_admitted_[static_cast<std::size_t>(live.request)]) waited_ += static_cast<double>(step - request.arrival);
  was_admitted_[static_cast<std::size_t>(live.request)] = true;
  live.stint = side_.stints.size();
  side_.stints.push_back(std::move(stint));
  running_.push_back(live);
}

void Simulation::leave(const Live& live, std::int64_t last_step) {
  BatchStint& stint = stint_of(live);
  stint.last_step = last_step;
  for (const PageId page : stint.pages)
    pool_.release(page);
}

void Simulation::measure(std::int64_t step, BatchStep& now) const {
  std::int64_t n_tokens = 0;
  for (const Live& live : running_)
    n_tokens += side_.stints[live.stint].n_tokens_at(step);
  now.n_running = std::ssize(running_);
  now.n_waiting = std::ssize(waiting_);
  const std::int64_t n_shared = std::max<std::int64_t>(now.n_running - 1, 0) * n_prefix_pages_ * side_.page_rows;
  now.reserved = pool_.n_used() * side_.page_bytes;
  now.used = (n_tokens - n_shared) * job_.token_bytes;
  now.shared = n_shared * job_.token_bytes;
}

/// All that run write a token; who wrote the last one leaves after the step.
void Simulation::finish(std::int64_t step, BatchStep& now) {
  n_written_ += static_cast<double>(running_.size());
  std::erase_if(running_, [&](Live& live) {
    if (++live.n_written < request_of(live).answer) return false;
    leave(live, step);
    ++side_.n_finished;
    return true;
  });
  now.n_finished = side_.n_finished;
}

BatchSide Simulation::run(const std::function<void(double)>& progress) {
  const std::int64_t n_requests = std::ssize(requests_);
  std::int64_t n_told = 0;
  for (std::int64_t step = 0; n_done() < n_requests; ++step) {
    if (job_.stop.stop_requested()) throw Cancelled();
    if (step == kMostBatchSteps || n_pages_kept_ > kMostPagesKept) {
      side_.ended_early = "The simulation ended after " + std::to_string(step) + " steps with " +
                          std::to_string(n_requests - n_done()) + " requests left: it keeps " + std::to_string(kMostBatchSteps) +
                          " steps and " + std::to_string(kMostPagesKept) + " pages at most.";
      for (const Live& live : running_)
        leave(live, step - 1);
      break;
    }
    BatchStep now;
    arrive(step);
    grow(step, now);
    admit(step, now);
    measure(step, now);
    finish(step, now);
    side_.n_preempted += now.n_preempted;
    side_.most_running = std::max(side_.most_running, now.n_running);
    if (n_done() < n_requests || now.n_running > 0) side_.steps.push_back(now);
    if (progress && n_done() > n_told) progress(static_cast<double>(n_told = n_done()) / static_cast<double>(n_requests));
  }
  sum_up();
  return std::move(side_);
}

void Simulation::sum_up() {
  double n_running = 0, share_used = 0, n_reserving = 0;
  for (const BatchStep& step : side_.steps) {
    n_running += static_cast<double>(step.n_running);
    if (step.reserved == 0) continue;
    share_used += static_cast<double>(step.used) / static_cast<double>(step.reserved);
    ++n_reserving;
  }
  const auto n_steps = static_cast<double>(std::max<std::size_t>(side_.steps.size(), 1));
  const auto n_admitted = std::ranges::count(was_admitted_, true);
  side_.mean_running = n_running / n_steps;
  side_.tokens_per_step = n_written_ / n_steps;
  side_.mean_used = n_reserving > 0 ? share_used / n_reserving : 0;
  side_.mean_wait = n_admitted > 0 ? waited_ / static_cast<double>(n_admitted) : 0;
}

void check(const BatchJob& job) {
  std::string why;
  if (!(settle(job.plan, &why) == job.plan)) throw Error("the batch cannot be run as it is: " + why);
  constexpr std::int64_t kMostTokenBytes = std::int64_t{1} << 40;
  if (job.token_bytes < 1 || job.token_bytes > kMostTokenBytes)
    throw Error("a token of " + std::to_string(job.token_bytes) + " bytes; it should take 1 to " + std::to_string(kMostTokenBytes));
  if (job.page_rows < 1 || job.page_rows > kMaxPageRows)
    throw Error("a page of " + std::to_string(job.page_rows) + " tokens; it should hold 1 to " + std::to_string(kMaxPageRows));
}

}  // namespace

BatchRun run_batch(const BatchJob& job) {
  check(job);
  BatchRun run{
      .plan = job.plan, .token_bytes = job.token_bytes, .requests = draw_requests(job.plan), .contiguous = {}, .paged = {}};
  const auto half = [&](double before) {
    return [&job, before](double share) {
      if (job.progress) job.progress(before + share / 2);
    };
  };
  run.contiguous = Simulation(job, run.requests, CacheLayout::kContiguous).run(half(0));
  run.paged = Simulation(job, run.requests, CacheLayout::kPaged).run(half(0.5));
  return run;
}

std::vector<BatchPage> batch_pages(const BatchSide& side, std::int64_t step) {
  std::vector<BatchPage> pages;
  step = std::min(step, std::ssize(side.steps) - 1);
  for (const BatchStint& stint : side.stints) {
    if (stint.first_step > step || stint.last_step < step) continue;
    std::int64_t left = stint.n_tokens_at(step);
    for (auto page = stint.pages.begin(); left > 0; ++page, left -= side.page_rows)
      pages.push_back({*page, stint.request, std::min(left, side.page_rows), 1});
  }
  // Of the sharers of a page the one admitted first comes first, and stays.
  std::ranges::stable_sort(pages, {}, &BatchPage::page);
  std::size_t n = 0;
  for (const BatchPage& page : pages) {
    if (n > 0 && pages[n - 1].page == page.page) {
      ++pages[n - 1].n_sharers;
    } else {
      pages[n++] = page;
    }
  }
  pages.resize(n);
  return pages;
}

}  // namespace headroom
