#include "random_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/training/network.h"

namespace headroom::testing {
namespace {

template <typename E>
E random_enum(Random& random, int n) {
  return static_cast<E>(random.in(0, n - 1));
}

HeadRef random_head(Random& random) { return {random.wild(0, 5), random.wild(0, 9)}; }

ModelShape random_shape(Random& random) {
  const std::int64_t d_heads[] = {2, 4, 8, 16, 32, 64, 128};
  ModelShape shape;
  shape.n_layers = random.in(1, 6);
  shape.n_kv_heads = random.in(1, 6);
  shape.n_heads = shape.n_kv_heads * random.in(1, 4);
  shape.d_head = d_heads[random.in(0, 6)];
  shape.d_model = random.one_in(3) ? 64 * random.in(1, 8) : shape.n_heads * shape.d_head;
  shape.d_ff = random.in(8, 999);
  shape.vocab_size = random.in(2, 999);
  shape.max_positions = random.in(1, 999);
  return shape;
}

MaskPattern random_pattern(Random& random) {
  MaskPattern pattern;
  pattern.kind = random_enum<PatternKind>(random, 6);
  pattern.window = random.wild(1, 4096);
  pattern.stride = random.wild(1, 4096);
  pattern.n_global = random.wild(0, 64);
  pattern.block = random.wild(1, 256);
  pattern.blocks_per_row = random.wild(0, 16);
  pattern.seed = random.next();
  if (random.one_in(4)) pattern.query_bucket = {1, 2, 3};
  if (random.one_in(4)) pattern.key_bucket = {-1};
  return pattern;
}

double random_double(Random& random) {
  switch (random.in(0, 5)) {
    case 0:
      return std::numeric_limits<double>::quiet_NaN();
    case 1:
      return std::numeric_limits<double>::infinity();
    case 2:
      return -1e300;
    default:
      return random.unit() * 20;
  }
}

/// Often a role's or an experiment's id, sometimes any bytes.
std::string random_id(Random& random) {
  static const std::string kIds[] = {"subject", "previous", "induction", "heads", "", "no such", "B"};
  return random.one_in(4) ? random_text(random) : kIds[random.in(0, std::ssize(kIds) - 1)];
}

std::optional<std::int64_t> random_time(Random& random) {
  return random.one_in(3) ? std::nullopt : std::optional(random.wild(0, 3000000));
}

TrainPlan random_plan(Random& random) {
  const auto& all = recipes();
  TrainPlan plan = all[static_cast<std::size_t>(random.in(0, std::ssize(all) - 1))].plan;
  TrainForm& form = plan.form;
  form.kind = random_enum<ModelKind>(random, 3);
  form.positions = random_enum<PositionKind>(random, 2);
  form.n_layers = random.wild(1, 8);
  form.d_model = random.wild(8, 512);
  form.n_heads = random.wild(1, 16);
  form.n_kv_heads = random.wild(1, 16);
  form.mlp = random_enum<MlpUse>(random, 2);
  plan.data.kind = random_enum<DataKind>(random, 4);
  if (random.one_in(3)) plan.data.path = "/some/where/story.txt";
  plan.data.vocabulary = random.wild(256, 8192);
  plan.data.unknown_share = random_double(random);
  plan.start.from = random_enum<StartFrom>(random, 3);
  if (random.one_in(2)) plan.start.model = "grammar-base";
  if (random.one_in(3)) plan.start.at = random.wild(0, 100000);
  for (std::int64_t n = random.in(0, 3); n > 0; --n)
    plan.start.pruned.push_back(random_head(random));
  plan.tokens = random.wild(1, 10000000);
  plan.row_length = random.wild(8, 128);
  plan.rows_per_step = random.wild(1, 64);
  plan.learning_rate = random_double(random);
  plan.seed = random.next();
  return plan;
}

DecodePlan random_decode_plan(Random& random) {
  DecodePlan plan;
  plan.cache = {random_enum<CacheLayout>(random, 3),
                random_enum<KvType>(random, 6),
                random.wild(1, 64),
                random_enum<Eviction>(random, 5),
                random.wild(1, 64),
                random.wild(0, 8),
                random.wild(0, 64)};
  plan.tokens = random.wild(1, 1024);
  return plan;
}

BatchPlan random_batch_plan(Random& random) {
  return {random.wild(1, 200), random_double(random), random.wild(2, 512), random.wild(1, 64),    random.wild(1, 128),
          random.wild(1, 64),  random.wild(1, 256),   random.wild(0, 32),  random_double(random), random.next()};
}

CostPlan random_cost_plan(Random& random) {
  CostPlan plan;
  plan.card = random.one_in(2) ? random_text(random) : "card:llama-2-70b";
  plan.context = random.wild(1, 10000000);
  plan.batch = random.wild(1, 4096);
  plan.weights = random_enum<KvType>(random, 6);
  plan.kv = random_enum<KvType>(random, 6);
  plan.device = random_text(random);
  plan.tensor_parallel = random.wild(1, 16);
  plan.n_kv_heads = random.wild(0, 64);
  plan.window = random.wild(0, 8192);
  plan.page_rows = random.wild(0, 64);
  return plan;
}

Session random_session(Random& random) {
  Session session;
  Compute& compute = session.compute;
  compute.text = random_text(random);
  compute.model_source = random_enum<ModelSource>(random, 2);
  compute.model = random.one_in(4) ? random_text(random) : "grammar-gqa";
  compute.trained = random_shape(random);
  if (random.one_in(6)) compute.trained.n_kv_heads = random.wild(0, 9);
  compute.parameters = random_enum<ParameterSource>(random, 2);
  compute.lab_seed = random.next();
  compute.n_heads = random.wild(0, 20);
  compute.n_kv_heads = random.wild(0, 20);
  compute.d_model = random.wild(0, 600);
  compute.mask.direction = random_enum<Direction>(random, 2);
  compute.mask.query_offset = random.in(0, 2);
  compute.mask.pattern = random_pattern(random);
  if (random.one_in(3)) compute.mask.key_lengths = {4};
  for (std::int64_t n = random.in(0, 6); n > 0; --n)
    compute.pruned.push_back(random_head(random));
  compute.backend = random_enum<BackendChoice>(random, 5);
  compute.depth = random_enum<Depth>(random, 2);
  View& view = session.view;
  view.stage = random_enum<StageView>(random, 9);
  view.head.reset();
  view.query.reset();
  if (random.one_in(2)) view.head = random_head(random);
  if (random.one_in(2)) view.query = random.wild(0, 12);
  if (random.one_in(2)) view.key = random.wild(0, 12);
  view.quantity = random_enum<Quantity>(random, 2);
  view.pooling = random_enum<Pooling>(random, 2);
  view.scale = random_enum<ColorScale>(random, 3);
  view.first_token = random_enum<FirstToken>(random, 2);
  view.colormap = random_enum<ColorMapName>(random, 4);
  view.sort = random_enum<HeadSort>(random, 6);
  view.drawing = random_enum<HeadDrawing>(random, 2);
  view.heads_zoom = random_double(random);
  view.heads_pan_x = random_double(random);
  view.heads_pan_y = random_double(random);
  view.zoom = random_double(random);
  view.stretch = random_double(random);
  view.pan_x = random_double(random);
  view.pan_y = random_double(random);
  view.kv_type = random_enum<KvType>(random, 6);
  view.kv_context = random.wild(0, 10000000);
  view.speed_section = random_enum<SpeedSection>(random, 5);
  view.speed_tokens = random.wild(0, 131072);
  view.speed_seconds = random_double(random);
  view.decode_section = random_enum<DecodeSection>(random, 4);
  if (random.one_in(2)) view.decode_step = random.wild(0, 100);
  view.decode_speed = random_double(random);
  view.batch_step = random.wild(0, 1000);
  view.cost_beside = random_enum<CostBeside>(random, 3);
  session.decode = random_decode_plan(random);
  session.batch = random_batch_plan(random);
  session.cost = random_cost_plan(random);
  session.beside = random_cost_plan(random);
  session.train = random_plan(random);
  TrainView& train = session.train_view;
  train.sentence = random_text(random);
  train.stack = random_enum<AttentionStack>(random, 3);
  if (random.one_in(2)) train.head = random_head(random);
  train.heads = random_enum<TrainHeads>(random, 2);
  if (random.one_in(2)) train.at = random.wild(0, 3000000);
  if (random.one_in(2)) train.compared = random.wild(0, 3000000);
  for (std::int64_t n = random.in(0, 3); n > 0; --n)
    train.hidden_roles.push_back(random_id(random));
  train.experiment = random_id(random);
  train.speed = random_double(random);
  return session;
}

}  // namespace

std::int64_t Random::wild(std::int64_t low, std::int64_t high) {
  switch (in(0, 9)) {
    case 0:
      return std::numeric_limits<std::int64_t>::max();
    case 1:
      return std::numeric_limits<std::int64_t>::min();
    case 2:
      return low - 1;
    case 3:
      return high + 1;
    default:
      return in(low, high);
  }
}

std::string random_text(Random& random) {
  static const std::string kPieces[] = {
      "the ", "cat ",  "zebra ", ". ",           "\n", "\t", "\x01", std::string(1, '\0'), "\xFF", "\xC3", "é",
      "🙂", "שלום ", "\u202E", "\xED\xA0\x80", "\"", "\\", "漢字", "\xF4\x90\x80\x80",   "\x7F"};
  std::string text;
  for (std::int64_t n = random.in(0, 12); n > 0; --n)
    text += kPieces[random.in(0, std::ssize(kPieces) - 1)];
  return text;
}

Action random_action(Random& random, std::size_t index) {
  switch (index) {
    case 0:
      return TextEdited{random_text(random)};
    case 1: {
      ModelShape shape = random_shape(random);
      if (random.one_in(4)) shape.n_heads = random.wild(0, 9);
      return ModelOpened{random_enum<ModelSource>(random, 2), "grammar-gqa", shape};
    }
    case 2:
      return HeadsCountSet{random.wild(1, 20)};
    case 3:
      return KvHeadsSet{random.wild(1, 20)};
    case 4:
      return DModelSet{random.wild(8, 600)};
    case 5:
      return ParameterSourceSet{random_enum<ParameterSource>(random, 2)};
    case 6:
      return LabSeedSet{random.next()};
    case 7:
      return ShapeReset{};
    case 8:
      return DirectionSet{random_enum<Direction>(random, 2)};
    case 9:
      return PatternSet{random_pattern(random)};
    case 10:
      return HeadPruneToggled{random_head(random)};
    case 11:
      return PruningCleared{};
    case 12:
      return BackendSet{random_enum<BackendChoice>(random, 5)};
    case 13:
      return StageViewSet{random_enum<StageView>(random, 5)};
    case 14:
      return HeadOpened{random_head(random)};
    case 15:
      return HeadSelected{random_head(random)};
    case 16:
      return QuerySelected{random.wild(0, 12)};
    case 17:
      return CellSelected{random.wild(0, 12), random.wild(0, 12)};
    case 18:
      return SelectionReleased{};
    case 19:
      return QuantitySet{random_enum<Quantity>(random, 2)};
    case 20:
      return PoolingSet{random_enum<Pooling>(random, 2)};
    case 21:
      return ColorScaleSet{random_enum<ColorScale>(random, 3)};
    case 22:
      return FirstTokenSet{random_enum<FirstToken>(random, 2)};
    case 23:
      return ColorMapSet{random_enum<ColorMapName>(random, 4)};
    case 24:
      return HeadSortSet{random_enum<HeadSort>(random, 6)};
    case 25:
      return HeadDrawingSet{random_enum<HeadDrawing>(random, 2)};
    case 26:
      return ZoomSet{random_double(random), random_double(random), random_double(random), random_double(random)};
    case 27:
      return KvTypeSet{random_enum<KvType>(random, 5)};
    case 28:
      return KvContextSet{random.wild(0, 10000000)};
    case 29:
      return DepthSet{random_enum<Depth>(random, 2)};
    case 30:
      return SpeedSectionSet{random_enum<SpeedSection>(random, 5)};
    case 31:
      return SpeedTokensSet{random.wild(0, 131072)};
    case 32:
      return SpeedSecondsSet{random_double(random)};
    case 33:
      return WatchedSentenceSet{random.one_in(9) ? std::string(5000, 'x') : random_text(random)};
    case 34:
      return TrainStackSet{random_enum<AttentionStack>(random, 3)};
    case 35:
      return TrainHeadSelected{random_head(random)};
    case 36:
      return TrainHeadOpened{random_head(random)};
    case 37:
      return TrainHeadsSet{random_enum<TrainHeads>(random, 2)};
    case 38:
      return TrainTimeSet{random_time(random)};
    case 39:
      return TrainComparedSet{random_time(random)};
    case 40:
      return TrainRoleToggled{random_id(random)};
    case 41:
      return ExperimentChosen{random_id(random)};
    case 42:
      return TrainSpeedSet{random_double(random)};
    case 43:
      return RecipeChosen{random.one_in(4) ? random_text(random) : recipes()[static_cast<std::size_t>(random.in(0, 3))].name};
    case 44:
      return TrainPlanSet{random_plan(random)};
    case 45:
      return DecodePlanSet{random_decode_plan(random)};
    case 46:
      return DecodeSectionSet{random_enum<DecodeSection>(random, 3)};
    case 47:
      return DecodeStepSet{random.one_in(3) ? std::nullopt : std::optional(random.wild(0, 100))};
    case 48:
      return DecodeSpeedSet{random_double(random)};
    case 49:
      return BatchPlanSet{random_batch_plan(random)};
    case 50:
      return BatchStepSet{random.wild(0, 1000)};
    case 51:
      return CostPlanSet{random_cost_plan(random), random_cost_plan(random)};
    case 52:
      return CostBesideSet{random_enum<CostBeside>(random, 2)};
    default:
      return SessionReplaced{random_session(random)};
  }
}

Action random_action(Random& random) {
  return random_action(random, static_cast<std::size_t>(random.in(0, std::variant_size_v<Action> - 1)));
}

void expect_valid(const Session& session) {
  const Compute& c = session.compute;
  const View& v = session.view;
  ASSERT_GE(c.n_heads, 1);
  ASSERT_GE(c.n_kv_heads, 1);
  EXPECT_EQ(c.n_heads % c.n_kv_heads, 0) << "kv_heads " << c.n_kv_heads << " must divide h " << c.n_heads;
  if (c.parameters == ParameterSource::kTrained) {
    EXPECT_EQ(c.d_model, c.trained.d_model);
    EXPECT_EQ((c.trained.n_heads * c.trained.d_head) % c.n_heads, 0);
    // Slicing keeps the width of K; pooling can only make fewer of the K/V heads that it leaves.
    EXPECT_EQ((c.trained.n_kv_heads * c.trained.d_head / c.d_head()) % c.n_kv_heads, 0);
  } else {
    EXPECT_EQ(c.d_model % c.n_heads, 0);
    EXPECT_GE(c.d_model, 8);
    EXPECT_LE(c.d_model, 4096);
  }
  EXPECT_EQ(c.d_head() % 2, 0);
  EXPECT_LE(c.d_head(), 256);
  EXPECT_TRUE(std::is_sorted(c.pruned.begin(), c.pruned.end()));
  EXPECT_EQ(std::adjacent_find(c.pruned.begin(), c.pruned.end()), c.pruned.end());
  const auto exists = [&](const HeadRef& head) {
    return head.layer >= 0 && head.layer < c.trained.n_layers && head.head >= 0 && head.head < c.n_heads;
  };
  EXPECT_TRUE(std::all_of(c.pruned.begin(), c.pruned.end(), exists));
  const MaskPattern& p = c.mask.pattern;
  EXPECT_NE(p.kind, PatternKind::kHashedBuckets);
  EXPECT_TRUE(p.query_bucket.empty() && p.key_bucket.empty() && c.mask.key_lengths.empty());
  EXPECT_EQ(c.mask.query_offset, 0);
  EXPECT_TRUE(p.window >= 1 && p.window <= 4096);
  EXPECT_TRUE(p.stride >= 1 && p.stride <= 4096);
  EXPECT_TRUE(p.n_global >= 0 && p.n_global <= 64);
  EXPECT_TRUE(p.block >= 1 && p.block <= 256);
  EXPECT_TRUE(p.blocks_per_row >= 0 && p.blocks_per_row <= 16);
  EXPECT_TRUE(!v.head || exists(*v.head));
  EXPECT_TRUE(v.stage != StageView::kHead || v.head);
  EXPECT_TRUE(!v.query || *v.query >= 0);
  EXPECT_TRUE(!v.key || (*v.key >= 0 && v.query));
  EXPECT_TRUE(v.heads_zoom >= 1 && v.heads_zoom <= 16);
  EXPECT_TRUE(v.heads_pan_x >= 0 && v.heads_pan_x <= 1 && v.heads_pan_y >= 0 && v.heads_pan_y <= 1);
  EXPECT_TRUE(v.zoom >= 1 && v.zoom <= 16384);
  EXPECT_TRUE(v.stretch >= 1.0 / 16384 && v.stretch <= 16384);
  EXPECT_TRUE(v.pan_x >= 0 && v.pan_x <= 1 && v.pan_y >= 0 && v.pan_y <= 1);
  EXPECT_TRUE(v.kv_context >= 0 && v.kv_context <= 10000000);
  EXPECT_TRUE(v.speed_tokens >= 0 && v.speed_tokens <= 131072);
  EXPECT_TRUE(v.speed_seconds >= 0.001 && v.speed_seconds <= 10);
  EXPECT_EQ(settle(session.train).plan, session.train);
  EXPECT_TRUE(v.decode_speed >= 0.25 && v.decode_speed <= 60);
  EXPECT_TRUE(v.batch_step >= 0 && v.decode_step.value_or(0) >= 0);
  EXPECT_FALSE(validate(session.decode.cache));
  EXPECT_TRUE(session.decode.tokens >= 1 && session.decode.tokens <= 1024);
  EXPECT_EQ(settle(session.batch), session.batch);
  for (const CostPlan* plan : {&session.cost, &session.beside}) {
    EXPECT_EQ(settle(*plan), *plan);
    EXPECT_FALSE(plan->device.empty());
  }
  const TrainView& t = session.train_view;
  EXPECT_LE(t.sentence.size(), 2048u);
  EXPECT_TRUE(!t.head || (t.head->layer >= 0 && t.head->head >= 0));
  EXPECT_TRUE(t.heads == TrainHeads::kAll || t.head);
  EXPECT_TRUE(t.at.value_or(0) >= 0 && t.compared.value_or(0) >= 0);
  EXPECT_LE(t.hidden_roles.size(), 64u);
  EXPECT_TRUE(std::is_sorted(t.hidden_roles.begin(), t.hidden_roles.end()));
  EXPECT_EQ(std::adjacent_find(t.hidden_roles.begin(), t.hidden_roles.end()), t.hidden_roles.end());
  EXPECT_TRUE(std::none_of(t.hidden_roles.begin(), t.hidden_roles.end(), [](const std::string& id) { return id.empty(); }));
  EXPECT_EQ((t.experiment + "x").find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-"), std::string::npos);
  EXPECT_TRUE(t.speed >= 0.01 && t.speed <= 1);
}

}  // namespace headroom::testing
