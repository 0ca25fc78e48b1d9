#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/session/session_json.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

const std::filesystem::path kAssets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets";

std::string failure_of(std::string_view key, std::string_view value) {
  try {
    set_session_value({}, key, value, kAssets);
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

/// Every key with a value that differs from the default and how it then lies in the file.
struct Case {
  const char *key, *value, *line;
};
const Case kCases[] = {
    {"compute.text", "a \"dog\"", R"("text": "a \"dog\"")"},
    {"compute.model", "grammar-gqa", R"("model": "grammar-gqa")"},
    {"compute.second", "a mat", R"("second": "a mat")"},
    {"compute.parameters", "lab", R"("parameters": "lab")"},
    {"compute.lab_seed", "18446744073709551615", R"("lab_seed": 18446744073709551615)"},
    {"compute.n_heads", "16", R"("n_heads": 16)"},
    {"compute.n_kv_heads", "2", R"("n_kv_heads": 2)"},
    {"compute.d_model", "64", R"("d_model": 64)"},
    {"compute.direction", "bidirectional", R"("direction": "bidirectional")"},
    {"compute.pattern", "local-window", R"("pattern": "local_window")"},
    {"compute.window", "9", R"("window": 9)"},
    {"compute.stride", "9", R"("stride": 9)"},
    {"compute.n_global", "9", R"("n_global": 9)"},
    {"compute.block", "9", R"("block": 9)"},
    {"compute.blocks_per_row", "9", R"("blocks_per_row": 9)"},
    {"compute.pattern_seed", "9", R"("pattern_seed": 9)"},
    {"compute.pruned", "2.1, 0.3", "\"0.3\",\n      \"2.1\""},
    {"compute.backend", "naive", R"("backend": "naive")"},
    {"compute.depth", "all layers", R"("depth": "all layers")"},
    {"view.stage", "token", R"("stage": "token")"},
    {"view.head", "2.5", R"("head": "2.5")"},
    {"view.query", "5", R"("query": 5)"},
    {"view.quantity", "scores", R"("quantity": "scores")"},
    {"view.pooling", "mean", R"("pooling": "mean")"},
    {"view.scale", "per row", R"("scale": "per_row")"},
    {"view.first_token", "left_out", R"("first_token": "left_out")"},
    {"view.colormap", "cividis", R"("colormap": "cividis")"},
    {"view.sort", "entropy", R"("sort": "entropy")"},
    {"view.drawing", "arcs", R"("drawing": "arcs")"},
    {"view.bottom", "lens", R"("bottom": "lens")"},
    {"view.group", "patterns", R"("group": "patterns")"},
    {"view.together", "of layer", R"("together": "of_layer")"},
    {"view.together_by", "max", R"("together_by": "max")"},
    {"view.named", "pattern", R"("named": "pattern")"},
    {"view.named_pattern", "self", R"("named_pattern": "self")"},
    {"view.head_search", "L3", R"("head_search": "L3")"},
    {"view.special_tokens", "hidden", R"("special_tokens": "hidden")"},
    {"view.pair_part", "a_to_b", R"("pair_part": "a_to_b")"},
    {"view.card", "card:gpt2", R"("card": "card:gpt2")"},
    {"view.card_beside", "card:gpt3", R"("card_beside": "card:gpt3")"},
    {"view.heads_zoom", "3.5", R"("heads_zoom": 3.5)"},
    {"view.heads_pan_x", "0.125", R"("heads_pan_x": 0.125)"},
    {"view.heads_pan_y", "0.875", R"("heads_pan_y": 0.875)"},
    {"view.zoom", "2.5", R"("zoom": 2.5)"},
    {"view.stretch", "0.5", R"("stretch": 0.5)"},
    {"view.pan_x", "0.25", R"("pan_x": 0.25)"},
    {"view.pan_y", "0.75", R"("pan_y": 0.75)"},
    {"view.kv_type", "int8", R"("kv_type": "int8")"},
    {"view.kv_context", "1000", R"("kv_context": 1000)"},
    {"view.speed_section", "roofline", R"("speed_section": "roofline")"},
    {"view.speed_tokens", "1024", R"("speed_tokens": 1024)"},
    {"view.speed_seconds", "0.05", R"("speed_seconds": 0.05)"},
    {"view.decode_section", "batch", R"("decode_section": "batch")"},
    {"view.decode_step", "6", R"("decode_step": 6)"},
    {"view.decode_speed", "8.5", R"("decode_speed": 8.5)"},
    {"view.batch_step", "77", R"("batch_step": 77)"},
    {"view.cost_beside", "plan", R"("cost_beside": "plan")"},
    {"decode.layout", "paged", R"("layout": "paged")"},
    {"decode.type", "int4", R"("type": "int4")"},
    {"decode.page_rows", "9", R"("page_rows": 9)"},
    {"decode.eviction", "heavy hitters", R"("eviction": "heavy_hitters")"},
    {"decode.window", "9", R"("window": 9)"},
    {"decode.n_first", "9", R"("n_first": 9)"},
    {"decode.n_heavy", "9", R"("n_heavy": 9)"},
    {"decode.tokens", "9", R"("tokens": 9)"},
    {"batch.n_requests", "9", R"("n_requests": 9)"},
    {"batch.memory_mib", "9.5", R"("memory_mib": 9.5)"},
    {"batch.max_tokens", "999", R"("max_tokens": 999)"},
    {"batch.prompt_least", "9", R"("prompt_least": 9)"},
    {"batch.prompt_most", "90", R"("prompt_most": 90)"},
    {"batch.answer_least", "9", R"("answer_least": 9)"},
    {"batch.answer_most", "90", R"("answer_most": 90)"},
    {"batch.shared_prefix", "9", R"("shared_prefix": 9)"},
    {"batch.arrivals", "0.25", R"("arrivals": 0.25)"},
    {"batch.seed", "9", R"("seed": 9)"},
    {"cost.card", "card:gpt2", R"("card": "card:gpt2")"},
    {"cost.context", "999", R"("context": 999)"},
    {"cost.batch", "9", R"("batch": 9)"},
    {"cost.weights", "int8", R"("weights": "int8")"},
    {"cost.kv", "int4", R"("kv": "int4")"},
    {"cost.device", "l4", R"("device": "l4")"},
    {"cost.tensor_parallel", "8", R"("tensor_parallel": 8)"},
    {"cost.n_kv_heads", "9", R"("n_kv_heads": 9)"},
    {"cost.window", "999", R"("window": 999)"},
    {"cost.page_rows", "9", R"("page_rows": 9)"},
    {"beside.card", "card:gpt2", R"("card": "card:gpt2")"},
    {"beside.context", "999", R"("context": 999)"},
    {"beside.batch", "9", R"("batch": 9)"},
    {"beside.weights", "int4", R"("weights": "int4")"},
    {"beside.kv", "int4", R"("kv": "int4")"},
    {"beside.device", "l4", R"("device": "l4")"},
    {"beside.tensor_parallel", "8", R"("tensor_parallel": 8)"},
    {"beside.n_kv_heads", "9", R"("n_kv_heads": 9)"},
    {"beside.window", "999", R"("window": 999)"},
    {"beside.page_rows", "9", R"("page_rows": 9)"},
    {"write.tokens", "7", R"("tokens": 7)"},
    {"write.temperature", "0.75", R"("temperature": 0.75)"},
    {"write.top_k", "40", R"("top_k": 40)"},
    {"write.top_p", "0.875", R"("top_p": 0.875)"},
    {"write.seed", "18446744073709551615", R"("seed": 18446744073709551615)"},
    {"train_view.sentence", "the dogs run .", R"("sentence": "the dogs run .")"},
    {"train_view.stack", "cross", R"("stack": "cross")"},
    {"train_view.head", "1.1", R"("head": "1.1")"},
    {"train_view.at", "180000", R"("at": 180000)"},
    {"train_view.compared", "20000", R"("compared": 20000)"},
    {"train_view.hidden_roles", "copy,name", "\"copy\",\n      \"name\""},
    {"train_view.experiment", "heads", R"("experiment": "heads")"},
    {"train_view.speed", "0.75", R"("speed": 0.75)"},
};

TEST(SessionSet, EveryKeyCanBeSet) {
  std::vector<std::string> tried{"view.key", "train_view.heads", "compute.stack",
                                 "compute.batch_entry"};  // which need another value first, or another model
  for (const Case& c : kCases) {
    const SetResult result = set_session_value({}, c.key, c.value, kAssets);
    EXPECT_THAT(session_to_json(Session{}), Not(HasSubstr(c.line))) << c.key;
    EXPECT_THAT(session_to_json(result.session), HasSubstr(c.line)) << c.key;
    EXPECT_EQ(result.notice.empty(), std::string(c.key) != "compute.d_model") << c.key << ": " << result.notice;
    tried.push_back(c.key);
    const std::string group = std::string(c.key).substr(0, std::string(c.key).find('.'));
    if (group != "compute" && group != "view") continue;  // always written out
    const std::string short_form = std::string(c.key).substr(std::string(c.key).find('.') + 1);
    EXPECT_EQ(set_session_value({}, short_form, c.value, kAssets).session, result.session) << short_form;
  }
  std::vector<std::string> keys = session_keys();
  std::erase_if(keys, [](const std::string& key) { return key.starts_with("train."); });  // train_plan_test.cpp
  for (const std::string& key : keys)
    EXPECT_THAT(tried, Contains(key));
  EXPECT_EQ(keys.size(), tried.size());
}

TEST(SessionSet, ShortFormsOfTheField) {
  EXPECT_EQ(set_session_value({}, "h", "4").session.compute.n_heads, 4);
  EXPECT_EQ(set_session_value({}, "kv_heads", "4").session.compute.n_kv_heads, 4);
  EXPECT_EQ(set_session_value({}, "mask", "bidirectional").session.compute.mask.direction, Direction::kBidirectional);
}

TEST(SessionSet, ValuesSnapWithANotice) {
  const SetResult result = set_session_value({}, "kv_heads", "3");
  EXPECT_EQ(result.session.compute.n_kv_heads, 2);
  EXPECT_NE(result.notice, "");
  EXPECT_EQ(set_session_value({}, "view.heads_zoom", "50").session.view.heads_zoom, 16);
  EXPECT_EQ(set_session_value({}, "view.zoom", "50000").session.view.zoom, 16384);
  EXPECT_THAT(set_session_value({}, "view.zoom", "50000").notice, HasSubstr("zoom"));
  EXPECT_THAT(set_session_value({}, "view.kv_context", "99999999").notice, HasSubstr("kv_context"));
  const Session without_row = set_session_value({}, "view.query", "none").session;
  EXPECT_THAT(set_session_value(without_row, "view.key", "2").notice, HasSubstr("query"));
}

TEST(SessionSet, NothingIsChosenByNone) {
  Session session = set_session_value({}, "view.head", "1.1").session;
  session = set_session_value(session, "view.query", "3").session;
  session = set_session_value(session, "view.key", "2").session;
  EXPECT_EQ(session.view.key, 2);
  session = set_session_value(session, "view.key", "none").session;
  session = set_session_value(session, "view.query", "").session;
  session = set_session_value(session, "view.head", "none").session;
  EXPECT_FALSE(session.view.head || session.view.query || session.view.key);
  EXPECT_EQ(session.compute, Compute{});
  EXPECT_EQ(set_session_value(set_session_value({}, "pruned", "1.1").session, "pruned", "").session, Session{});
}

TEST(SessionSet, FoldersAreOpenedByPath) {
  const std::string folder = (kAssets / "models" / "grammar-gqa").string();
  const Compute compute = set_session_value({}, "model", folder).session.compute;
  EXPECT_EQ(compute.model_source, ModelSource::kFolder);
  EXPECT_EQ(compute.model, folder);
  EXPECT_EQ(compute.trained.n_kv_heads, 2);
  EXPECT_THAT(failure_of("model", "grammar-bass"), HasSubstr("grammar-base, grammar-gqa"));
  EXPECT_NE(failure_of("model", "/no/such/folder"), "no failure");
  EXPECT_NE(failure_of("model", ""), "no failure");
}

TEST(SessionSet, UnknownKeysNameTheNearest) {
  EXPECT_THAT(failure_of("compute.n_haeds", "4"), HasSubstr("compute.n_heads"));
  EXPECT_THAT(failure_of("view.colourmap", "grey"), HasSubstr("view.colormap"));
  EXPECT_THAT(failure_of("kvheads", "4"), HasSubstr("compute.n_kv_heads"));
  EXPECT_THAT(failure_of("compute.trained.n_heads", "4"), HasSubstr("follows from the model"));
  EXPECT_THAT(failure_of(std::string(100000, 'x'), "4"), HasSubstr("no key"));
}

TEST(SessionSet, BadValuesSayWhatWouldBeRight) {
  EXPECT_EQ(failure_of("h", "eight"), "compute.n_heads cannot be \"eight\"; it takes a whole number, such as 4.");
  EXPECT_THAT(failure_of("h", "4 "), HasSubstr("whole number"));
  EXPECT_THAT(failure_of("h", ""), HasSubstr("whole number"));
  EXPECT_THAT(failure_of("h", "99999999999999999999"), HasSubstr("whole number"));
  EXPECT_THAT(failure_of("lab_seed", "-1"), HasSubstr("from 0"));
  EXPECT_THAT(failure_of("colormap", "red"), HasSubstr("viridis, magma, cividis, grey"));
  EXPECT_THAT(failure_of("pruned", "0.3;2.1"), HasSubstr("commas"));
  EXPECT_THAT(failure_of("pruned", "0.3,"), HasSubstr("commas"));
  EXPECT_THAT(failure_of("view.head", "3"), HasSubstr("layer.head"));
  EXPECT_THAT(failure_of("query", "-1"), HasSubstr("counted from 0"));
  EXPECT_THAT(failure_of("zoom", "wide"), HasSubstr("number"));
  EXPECT_THAT(failure_of("pattern", "hashed_buckets"), HasSubstr("random_blocks"));
}

}  // namespace
}  // namespace headroom
