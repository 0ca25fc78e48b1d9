#include "app/painters/tile_store.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "app/painters/tile_resample.h"
#include "app/painters/tile_work.h"
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
                    r.pooling, r.row_samples);
  }
  bool operator<(const Key& other) const { return tied() < other.tied(); }
};

enum class Stage { kNothing, kStandIn, kSampled, kExact };

struct Entry {
  std::shared_ptr<const void> owner;  ///< keeps the identity from being reused by another trace
  std::shared_ptr<const Tile> tile;
  Stage stage = Stage::kNothing;
  std::shared_ptr<TileJob> sampling, refining;  ///< under way
  std::int64_t last_used = 0;
  std::size_t bytes = 0;  ///< that this entry alone keeps
};

struct ExtentsEntry {
  std::shared_ptr<const void> owner;
  std::shared_ptr<const std::vector<RowExtent>> extents;
  bool is_exact = false;
  std::shared_ptr<TileJob> sampling, refining;
  std::int64_t last_used = 0;
  std::size_t bytes = 0;
};

/// What is wanted sooner has the lower order.
enum Order { kSampledTile, kSampledExtents, kExactExtents, kExactTile };

bool is_valid(const TileRequest& r) {
  return r.rows > 0 && r.cols > 0 && row_span(r) >= r.rows && col_span(r) >= r.cols && r.row_begin >= 0 && r.col_begin >= 0;
}

const LayerTrace* layer_of(const Snapshot& snapshot, const TileRequest& request) {
  if (!snapshot.trace || request.layer < 0 || request.layer >= std::ssize(snapshot.trace->layers)) return nullptr;
  const auto seq = std::ssize(snapshot.trace->ids);
  if (request.row_end > seq || request.col_end > seq) return nullptr;  // The picture is of a longer sentence.
  return &snapshot.trace->layers[static_cast<std::size_t>(request.layer)];
}

const Tile* thumbnail_of(const Snapshot& snapshot, const TileRequest& request) {
  const auto layer = static_cast<std::size_t>(request.layer), head = static_cast<std::size_t>(request.head);
  if (layer >= snapshot.thumbnails.size() || head >= snapshot.thumbnails[layer].size()) return nullptr;
  return &snapshot.thumbnails[layer][head];
}

std::size_t bytes_of(const Tile& tile) { return sizeof(Tile) + tile.values.capacity() * sizeof(float); }

/// Multiply-adds of the row sums that a tile of probabilities needs and that no one has asked for yet.
double cost_of_row_sums(const LayerTrace& layer, const TileRequest& request, std::int64_t seq) {
  const std::int64_t index = layer.index_of(request.head);
  if (layer.row_sums == nullptr || index < 0 || request.quantity == Quantity::kScores) return 0;
  double unknown = 0;
  for (std::int64_t row = request.row_begin; row < request.row_end; ++row)
    unknown += layer.row_sums->is_known(index, row) ? 0 : 1;
  return unknown * static_cast<double>(seq) * static_cast<double>(layer.d_head);
}

}  // namespace

struct TileStore::State {
  explicit State(Options given) : options(std::move(given)), work(options.wake, options.n_threads) {}

  Options options;
  std::map<Key, Entry> entries;
  std::map<Key, ExtentsEntry> extents;
  std::int64_t frame = 0;
  double budget = 0;
  bool is_waiting = false;
  double wanted_work = 0, done_work = 0;
  Counters counters;
  TileWork work;

  std::shared_ptr<TileJob> start(const Snapshot& snapshot, const TileRequest& request, TileJob::Kind kind, Order order) {
    auto job = std::make_shared<TileJob>();
    job->trace = snapshot.trace;
    job->request = request;
    job->kind = kind;
    job->order = order;
    work.add(job);
    return job;
  }

  template <typename AnyEntry>
  void drop_jobs(AnyEntry& entry) {
    for (std::shared_ptr<TileJob>* job : {&entry.sampling, &entry.refining}) {
      if (*job) work.drop(**job);
      job->reset();
    }
  }

  void take_done() {
    for (const std::shared_ptr<TileJob>& job : work.take_done()) {
      for (auto& [key, entry] : entries) {
        if (entry.refining == job) set_exact(entry, job->tile);
        if (entry.sampling == job) {
          entry.sampling.reset();
          ++counters.sampled;
          if (entry.stage < Stage::kSampled) set_tile(entry, job->tile, Stage::kSampled);
        }
      }
      for (auto& [key, entry] : extents) {
        if (entry.sampling != job && entry.refining != job) continue;
        if (entry.is_exact) continue;
        entry.is_exact = entry.refining == job;
        counters.extents += entry.is_exact ? 1 : 0;
        entry.extents = job->extents;
        entry.bytes = job->extents->capacity() * sizeof(RowExtent);
        (entry.is_exact ? entry.refining : entry.sampling).reset();
        if (entry.is_exact) drop_jobs(entry);
      }
    }
  }

  static void set_tile(Entry& entry, std::shared_ptr<const Tile> tile, Stage stage) {
    entry.bytes = bytes_of(*tile);
    entry.tile = std::move(tile);
    entry.stage = stage;
  }
  void set_exact(Entry& entry, std::shared_ptr<const Tile> tile) {
    set_tile(entry, std::move(tile), Stage::kExact);
    ++counters.evaluated;
    entry.refining.reset();
    drop_jobs(entry);
  }

  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [key, entry] : entries)
      sum += entry.bytes;
    for (const auto& [key, entry] : extents)
      sum += entry.bytes;
    return sum;
  }

  /// What the last frames wanted stays, finished or not; older entries stay while there is room, if they are worth it.
  void forget() {
    const auto is_recent = [&](const auto& entry) { return entry.last_used + 2 >= frame; };
    const auto drop_unwanted = [&](auto& all) {
      for (auto& [key, entry] : all) {
        if (entry.last_used + 1 < frame) drop_jobs(entry);
      }
    };
    drop_unwanted(entries);
    drop_unwanted(extents);
    std::erase_if(entries, [&](const auto& item) { return !is_recent(item.second) && item.second.stage < Stage::kSampled; });
    std::erase_if(extents, [&](const auto& item) { return !is_recent(item.second) && !item.second.extents; });
    std::size_t held = bytes();
    while (held > options.most_bytes) {
      const auto oldest = std::min_element(entries.begin(), entries.end(),
                                           [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; });
      const auto oldest_extents = std::min_element(
          extents.begin(), extents.end(), [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; });
      const bool has_tile = oldest != entries.end() && !is_recent(oldest->second);
      const bool has_extents = oldest_extents != extents.end() && !is_recent(oldest_extents->second);
      if (has_tile && (!has_extents || oldest->second.last_used <= oldest_extents->second.last_used)) {
        held -= oldest->second.bytes;
        entries.erase(oldest);
        ++counters.forgotten;
      } else if (has_extents) {
        held -= oldest_extents->second.bytes;
        extents.erase(oldest_extents);
      } else {
        break;  // All of it is on the screen.
      }
    }
  }

  /// Read from everything known of the head, the worst first, so that what is better covers it.
  std::shared_ptr<const Tile> stand_in(const Snapshot& snapshot, const Key& key) {
    const TileRequest& wanted = key.request;
    using Rank = std::tuple<bool, Stage, std::int64_t, double>;
    std::vector<std::pair<Rank, const Tile*>> sources;
    bool has_own = false;
    for (const auto& [other, entry] : entries) {
      const TileRequest& r = other.request;
      if (entry.stage < Stage::kSampled || r.layer != wanted.layer || r.head != wanted.head || r.quantity != wanted.quantity)
        continue;
      if (entry.tile->values.empty() || r.row_end <= wanted.row_begin || r.row_begin >= wanted.row_end ||
          r.col_end <= wanted.col_begin || r.col_begin >= wanted.col_end) {
        continue;
      }
      const bool is_own = other.identity == key.identity;
      const double density = static_cast<double>(r.rows) / static_cast<double>(row_span(r));
      sources.emplace_back(Rank{is_own, entry.stage, is_own ? 0 : entry.last_used, density}, entry.tile.get());
      has_own |= is_own;
    }
    const Tile* thumbnail = wanted.quantity == Quantity::kProbs ? thumbnail_of(snapshot, wanted) : nullptr;
    if (thumbnail != nullptr && !thumbnail->values.empty()) sources.emplace_back(Rank{true, Stage::kNothing, 0, 0}, thumbnail);
    if (sources.empty()) return nullptr;
    std::sort(sources.begin(), sources.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    auto tile = std::make_shared<Tile>(resample_tile(*sources.front().second, wanted));
    for (std::size_t i = 1; i < sources.size(); ++i)
      resample_over(*sources[i].second, *tile);
    ++counters.stood_in;
    return tile;
  }

  /// Nothing is known of this head's scores yet: a few rows of the whole, coarse enough to cost next to nothing.
  void sketch(const std::shared_ptr<const Snapshot>& snapshot, const Key& key) {
    constexpr std::int64_t kCells = 24;
    const auto seq = std::ssize(snapshot->trace->ids);
    Key whole = key;
    TileRequest& r = whole.request;
    r.row_begin = r.col_begin = 0;
    r.row_end = r.col_end = seq;
    r.rows = r.cols = std::min<std::int64_t>(seq, kCells);
    r.row_samples = 1;
    Entry& entry = entries[whole];
    if (entry.stage >= Stage::kSampled) return;
    entry.owner = identity_of(snapshot);
    entry.last_used = frame;
    try {
      set_tile(entry, std::make_shared<const Tile>(evaluate_tile(*snapshot->trace, r)), Stage::kSampled);
      ++counters.sampled;
    } catch (const Error&) {
      entries.erase(whole);
    }
  }

  template <typename AnyEntry>
  void count_work(const AnyEntry& entry, double cost, bool is_exact) {
    wanted_work += cost;
    if (is_exact) {
      done_work += cost;
      return;
    }
    is_waiting = true;
    if (entry.refining) done_work += cost * work.share_done(*entry.refining);
  }
};

TileStore::TileStore(Options options) : state_(std::make_unique<State>(std::move(options))) {}
TileStore::~TileStore() = default;

void TileStore::begin_frame() {
  State& state = *state_;
  ++state.frame;
  state.budget = state.options.frame_budget;
  state.is_waiting = false;
  state.wanted_work = state.done_work = 0;
  state.take_done();
  state.forget();
}

std::shared_ptr<const Tile> TileStore::find(const std::shared_ptr<const Snapshot>& snapshot, const TileRequest& request) {
  State& state = *state_;
  if (!snapshot || !is_valid(request)) return nullptr;
  std::shared_ptr<const void> owner = identity_of(snapshot);
  const Key key{owner.get(), request};
  Entry& entry = state.entries[key];
  entry.last_used = state.frame;
  if (!entry.owner) entry.owner = std::move(owner);

  const Tile* thumbnail = thumbnail_of(*snapshot, request);
  if (entry.stage != Stage::kExact && thumbnail != nullptr && can_read_exactly(*thumbnail, request)) {
    const bool is_whole = thumbnail->request == request;
    entry.tile = is_whole ? std::shared_ptr<const Tile>(snapshot, thumbnail)
                          : std::make_shared<const Tile>(resample_tile(*thumbnail, request));
    entry.bytes = is_whole ? 0 : bytes_of(*entry.tile);
    entry.stage = Stage::kExact;
    state.drop_jobs(entry);
  }
  const LayerTrace* layer = layer_of(*snapshot, request);
  if (entry.stage != Stage::kExact && (layer == nullptr || layer->index_of(request.head) < 0)) {
    entry.tile = std::make_shared<const Tile>(Tile{.request = request, .values = {}, .is_pruned = layer != nullptr});
    entry.stage = Stage::kExact;
  }
  if (entry.stage == Stage::kExact && (layer == nullptr || entry.tile->values.empty())) return entry.tile;

  const double cost = cost_of(*snapshot->trace, request, TileJob::Kind::kCells);
  if (entry.stage == Stage::kExact) {
    state.count_work(entry, cost, true);
    return entry.tile;
  }
  if (!entry.refining && cost <= kTileBudget && cost <= state.budget) {
    const double whole = cost + cost_of_row_sums(*layer, request, std::ssize(snapshot->trace->ids));
    if (whole <= kTileBudget && whole <= state.budget) {
      state.budget -= whole;
      state.set_exact(entry, std::make_shared<const Tile>(evaluate_tile(*snapshot->trace, request)));
      return entry.tile;
    }
  }
  if (entry.stage == Stage::kNothing) {
    entry.tile = state.stand_in(*snapshot, key);
    if (!entry.tile) {
      state.sketch(snapshot, key);
      entry.tile = state.stand_in(*snapshot, key);
    }
    entry.stage = Stage::kStandIn;
  }
  if (!entry.refining) {
    if (cost > state.options.sampled_from && request.row_samples == 0 && entry.stage < Stage::kSampled) {
      TileRequest sampled = request;
      sampled.row_samples = kSampledRows;
      entry.sampling = state.start(*snapshot, sampled, TileJob::Kind::kCells, kSampledTile);
    }
    entry.refining = state.start(*snapshot, request, TileJob::Kind::kCells, kExactTile);
  }
  state.count_work(entry, cost, false);
  return entry.tile;
}

std::shared_ptr<const std::vector<RowExtent>> TileStore::find_extents(const std::shared_ptr<const Snapshot>& snapshot,
                                                                      const TileRequest& request) {
  State& state = *state_;
  if (!snapshot || !is_valid(request)) return nullptr;
  const LayerTrace* layer = layer_of(*snapshot, request);
  if (layer == nullptr || layer->index_of(request.head) < 0) return nullptr;
  Key key{nullptr, request};
  // Blocks side by side share their rows, and what those span: one name for them all. Only means depend on how wide a cell is.
  TileRequest& r = key.request;
  r.col_begin = 0;
  r.col_end = r.pooling == Pooling::kMax ? 1 : col_span(request) / request.cols;
  r.cols = 1;
  std::shared_ptr<const void> owner = identity_of(snapshot);
  key.identity = owner.get();
  ExtentsEntry& entry = state.extents[key];
  entry.last_used = state.frame;
  if (!entry.owner) entry.owner = std::move(owner);
  const double cost = cost_of(*snapshot->trace, r, TileJob::Kind::kRowExtents);
  if (!entry.is_exact && !entry.refining && cost <= kTileBudget && cost <= state.budget) {
    state.budget -= cost;
    entry.extents = std::make_shared<const std::vector<RowExtent>>(row_extents(*snapshot->trace, r));
    entry.bytes = entry.extents->capacity() * sizeof(RowExtent);
    entry.is_exact = true;
    ++state.counters.extents;
  }
  if (!entry.is_exact && !entry.refining) {
    if (cost > state.options.sampled_from) {
      TileRequest sampled = r;
      sampled.row_samples = 1;
      entry.sampling = state.start(*snapshot, sampled, TileJob::Kind::kRowExtents, kSampledExtents);
    }
    entry.refining = state.start(*snapshot, r, TileJob::Kind::kRowExtents, kExactExtents);
  }
  state.count_work(entry, cost, entry.is_exact);
  return entry.extents;
}

bool TileStore::is_waiting() const { return state_->is_waiting; }
double TileStore::progress() const {
  return !state_->is_waiting || state_->wanted_work <= 0 ? 1 : std::min(1.0, state_->done_work / state_->wanted_work);
}
void TileStore::finish() { state_->work.finish(); }
TileStore::Counters TileStore::take_counters() { return std::exchange(state_->counters, {}); }
std::size_t TileStore::bytes() const { return state_->bytes(); }

}  // namespace headroom
