#include "app/painters/imgui_painter_tiles.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Two snapshots that share a trace show the same tiles (the later one only adds a loss or a time): then nothing is drawn anew.
std::shared_ptr<const void> identity_of(const std::shared_ptr<const Snapshot>& snapshot) {
  if (snapshot->trace) return snapshot->trace;
  return snapshot;
}

struct Key {
  const void* identity = nullptr;
  TileRequest request;

  auto tied() const {
    const TileRequest& r = request;
    return std::tie(identity, r.layer, r.head, r.row_begin, r.row_end, r.col_begin, r.col_end, r.rows, r.cols, r.quantity,
                    r.pooling);
  }
  bool operator<(const Key& other) const { return tied() < other.tied(); }
};

struct Entry {
  std::shared_ptr<const void> owner;  ///< keeps the identity from being reused by another trace
  std::shared_ptr<const Tile> tile;   ///< exact, or a stand-in, or null
  bool is_exact = false;
  std::int64_t last_used = 0;
};

struct Job {
  Key key;
  std::shared_ptr<const ForwardTrace> trace;
  std::int64_t last_wanted = 0;
};

struct Finished {
  Key key;
  std::shared_ptr<const Tile> tile;
};

std::int64_t row_span(const TileRequest& r) { return r.row_end - r.row_begin; }
std::int64_t col_span(const TileRequest& r) { return r.col_end - r.col_begin; }
bool is_valid(const TileRequest& r) {
  return r.rows > 0 && r.cols > 0 && row_span(r) >= r.rows && col_span(r) >= r.cols && r.row_begin >= 0 && r.col_begin >= 0;
}

std::shared_ptr<const Tile> empty_tile(const TileRequest& request) {
  auto tile = std::make_shared<Tile>();
  tile->request = request;
  return tile;
}

std::shared_ptr<const Tile> evaluate(const ForwardTrace& trace, const TileRequest& request) {
  try {
    return std::make_shared<const Tile>(evaluate_tile(trace, request));
  } catch (const Error&) {
    return empty_tile(request);  // A request beyond this trace: drawn as masked rather than ending the program.
  }
}

}  // namespace

Tile resample_tile(const Tile& source, const TileRequest& wanted) {
  Tile answer;
  answer.request = wanted;
  answer.is_pruned = source.is_pruned;
  if (source.is_pruned || source.values.empty()) return answer;
  const TileRequest& from = source.request;
  answer.values.resize(static_cast<std::size_t>(wanted.rows * wanted.cols));
  const auto source_index = [](double at, std::int64_t begin, std::int64_t end, std::int64_t cells) {
    if (at < static_cast<double>(begin) || at >= static_cast<double>(end)) return std::int64_t{-1};
    const double share = (at - static_cast<double>(begin)) / static_cast<double>(end - begin);
    return std::min(cells - 1, static_cast<std::int64_t>(share * static_cast<double>(cells)));
  };
  std::vector<std::int64_t> columns(static_cast<std::size_t>(wanted.cols));
  for (std::int64_t col = 0; col < wanted.cols; ++col) {
    const double at = static_cast<double>(wanted.col_begin) +
                      (static_cast<double>(col) + 0.5) * static_cast<double>(col_span(wanted)) / static_cast<double>(wanted.cols);
    columns[static_cast<std::size_t>(col)] = source_index(at, from.col_begin, from.col_end, from.cols);
  }
  std::size_t cell = 0;
  for (std::int64_t row = 0; row < wanted.rows; ++row) {
    const double at = static_cast<double>(wanted.row_begin) +
                      (static_cast<double>(row) + 0.5) * static_cast<double>(row_span(wanted)) / static_cast<double>(wanted.rows);
    const std::int64_t source_row = source_index(at, from.row_begin, from.row_end, from.rows);
    for (const std::int64_t source_col : columns) {
      answer.values[cell++] = source_row < 0 || source_col < 0
                                  ? std::numeric_limits<float>::quiet_NaN()
                                  : source.values[static_cast<std::size_t>(source_row * from.cols + source_col)];
    }
  }
  return answer;
}

bool can_read_exactly(const Tile& source, const TileRequest& wanted) {
  const TileRequest& from = source.request;
  if (from == wanted) return true;
  const bool pools_nothing = from.rows == row_span(from) && from.cols == col_span(from) && wanted.rows == row_span(wanted) &&
                             wanted.cols == col_span(wanted);
  return pools_nothing && from.quantity == wanted.quantity && from.layer == wanted.layer && from.head == wanted.head &&
         from.row_begin <= wanted.row_begin && wanted.row_end <= from.row_end && from.col_begin <= wanted.col_begin &&
         wanted.col_end <= from.col_end;
}

struct TileStore::State {
  std::function<void()> wake;
  std::map<Key, Entry> entries;
  std::int64_t frame = 0;
  double budget = kFrameBudget;
  bool is_waiting = false;
  int evaluated = 0;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<Job> jobs;  // guarded by mutex, as all below
  std::vector<Finished> finished;
  std::int64_t worker_frame = 0;
  bool is_busy = false;
  std::jthread worker;  // last: it ends before what it uses

  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (changed.wait(lock, stop, [&] { return !jobs.empty(); })) {
      const Job job = jobs.front();
      jobs.erase(jobs.begin());
      if (job.last_wanted + 1 < worker_frame) continue;  // Scrolled away meanwhile.
      is_busy = true;
      lock.unlock();
      std::shared_ptr<const Tile> tile = evaluate(*job.trace, job.key.request);
      lock.lock();
      is_busy = false;
      finished.push_back({job.key, std::move(tile)});
      changed.notify_all();
      lock.unlock();
      wake();
      lock.lock();
    }
  }

  void take_finished() {
    const std::scoped_lock lock(mutex);
    for (Finished& done : finished) {
      ++evaluated;
      const auto found = entries.find(done.key);
      if (found == entries.end()) continue;
      found->second.tile = std::move(done.tile);
      found->second.is_exact = true;
    }
    finished.clear();
  }

  void request(const Key& key, const std::shared_ptr<const ForwardTrace>& trace) {
    const std::scoped_lock lock(mutex);
    for (Job& job : jobs) {
      if (!(job.key < key) && !(key < job.key)) {
        job.last_wanted = frame;
        return;
      }
    }
    for (const Finished& done : finished) {
      if (!(done.key < key) && !(key < done.key)) return;
    }
    jobs.push_back({key, trace, frame});
    changed.notify_all();
  }

  /// Of the same head: from this trace before any older one, the finest first.
  std::shared_ptr<const Tile> stand_in(const Snapshot& snapshot, const Key& key) const {
    const TileRequest& wanted = key.request;
    const Tile* best = nullptr;
    auto best_rank = std::make_tuple(false, false, std::int64_t{0}, 0.0);
    for (const auto& [other, entry] : entries) {
      const TileRequest& r = other.request;
      if (!entry.is_exact || r.layer != wanted.layer || r.head != wanted.head || r.quantity != wanted.quantity) continue;
      if (entry.tile->values.empty()) continue;
      const bool covers = r.row_begin <= wanted.row_begin && wanted.row_end <= r.row_end && r.col_begin <= wanted.col_begin &&
                          wanted.col_end <= r.col_end;
      const double density = static_cast<double>(r.rows) / static_cast<double>(row_span(r));
      const auto rank = std::make_tuple(other.identity == key.identity, covers, entry.last_used, density);
      if (best == nullptr || rank > best_rank) {
        best = entry.tile.get();
        best_rank = rank;
      }
    }
    const Tile* thumbnail = thumbnail_of(snapshot, wanted);
    const bool has_own = best != nullptr && std::get<0>(best_rank) && std::get<1>(best_rank);
    if (thumbnail != nullptr && !has_own && wanted.quantity == Quantity::kProbs) best = thumbnail;
    return best == nullptr ? nullptr : std::make_shared<const Tile>(resample_tile(*best, wanted));
  }

  static const Tile* thumbnail_of(const Snapshot& snapshot, const TileRequest& request) {
    const auto layer = static_cast<std::size_t>(request.layer), head = static_cast<std::size_t>(request.head);
    if (layer >= snapshot.thumbnails.size() || head >= snapshot.thumbnails[layer].size()) return nullptr;
    return &snapshot.thumbnails[layer][head];
  }
};

TileStore::TileStore(std::function<void()> wake) : state_(std::make_unique<State>()) {
  state_->wake = wake ? std::move(wake) : [] {};
  state_->worker = std::jthread([state = state_.get()](const std::stop_token& stop) { state->work(stop); });
}
TileStore::~TileStore() = default;

void TileStore::begin_frame() {
  State& state = *state_;
  ++state.frame;
  state.budget = kFrameBudget;
  state.is_waiting = false;
  state.take_finished();
  // Two frames' grace: an older picture of a head stands in while the new one is evaluated.
  std::erase_if(state.entries, [&](const auto& item) { return item.second.last_used + 2 < state.frame; });
  const std::scoped_lock lock(state.mutex);
  state.worker_frame = state.frame;
}

std::shared_ptr<const Tile> TileStore::find(const std::shared_ptr<const Snapshot>& snapshot, const TileRequest& request) {
  State& state = *state_;
  if (!snapshot || !is_valid(request)) return nullptr;
  std::shared_ptr<const void> owner = identity_of(snapshot);
  const Key key{owner.get(), request};
  Entry& entry = state.entries[key];
  entry.last_used = state.frame;
  if (!entry.owner) entry.owner = std::move(owner);
  if (entry.is_exact) return entry.tile;

  const Tile* thumbnail = State::thumbnail_of(*snapshot, request);
  if (thumbnail != nullptr && can_read_exactly(*thumbnail, request)) {
    const bool is_whole = thumbnail->request == request;
    entry.tile = is_whole ? std::shared_ptr<const Tile>(snapshot, thumbnail)
                          : std::make_shared<const Tile>(resample_tile(*thumbnail, request));
    entry.is_exact = true;
    return entry.tile;
  }
  if (!snapshot->trace || static_cast<std::size_t>(request.layer) >= snapshot->trace->layers.size()) {
    entry.tile = empty_tile(request);
    entry.is_exact = true;
    return entry.tile;
  }
  const auto d_head = static_cast<double>(snapshot->trace->layers[static_cast<std::size_t>(request.layer)].d_head);
  const double cost = static_cast<double>(row_span(request)) * static_cast<double>(col_span(request)) * d_head;
  if (cost <= kTileBudget && cost <= state.budget) {
    state.budget -= cost;
    entry.tile = evaluate(*snapshot->trace, request);
    entry.is_exact = true;
    ++state.evaluated;
    return entry.tile;
  }
  state.is_waiting = true;
  state.request(key, snapshot->trace);
  if (!entry.tile) entry.tile = state.stand_in(*snapshot, key);
  return entry.tile;
}

bool TileStore::is_waiting() const { return state_->is_waiting; }

void TileStore::finish() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return state.jobs.empty() && !state.is_busy; });
}

int TileStore::take_evaluated() { return std::exchange(state_->evaluated, 0); }

}  // namespace headroom
