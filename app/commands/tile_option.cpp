#include "app/commands/tile_option.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "app/commands/command.h"
#include "core/formats/file.h"
#include "core/session/names.h"
#include "core/session/reduce.h"

namespace headroom {
namespace {

struct Span {
  std::int64_t first = 0, last = 0;
};

[[noreturn]] void fail(const std::string& text, const std::string& why) {
  throw UsageError("--tile " + escape_for_display(text) + ": " + why);
}

/// "0-1023"
std::optional<Span> parse_span(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('-')) return std::nullopt;
    return value;
  };
  const auto first = number(text.substr(0, dash)), last = number(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  return Span{*first, *last};
}

std::string span_text(std::int64_t first, std::int64_t last) { return std::to_string(first) + "-" + std::to_string(last); }

}  // namespace

TileOption parse_tile(const std::string& text) {
  const std::string_view whole = text;
  const auto colon = whole.find(':');
  const auto comma = whole.find(',');
  TileOption tile{.text = text, .head = {}, .window = {}};
  if (colon != std::string_view::npos && comma != std::string_view::npos && colon < comma) {
    const auto head = head_from_key(whole.substr(0, colon));
    const auto rows = parse_span(whole.substr(colon + 1, comma - colon - 1)), cols = parse_span(whole.substr(comma + 1));
    if (head && rows && cols) {
      if (rows->first > rows->last) fail(text, "queries " + span_text(rows->first, rows->last) + " run backwards");
      if (cols->first > cols->last) fail(text, "keys " + span_text(cols->first, cols->last) + " run backwards");
      tile.head = *head;
      tile.window = {rows->first, rows->last, cols->first, cols->last};
      constexpr std::int64_t kFarBeyond = std::int64_t{1} << 40;  // no text has such a token; the ends below cannot overflow
      tile.window.row_end = std::min(rows->last, kFarBeyond) + 1;
      tile.window.col_end = std::min(cols->last, kFarBeyond) + 1;
      return tile;
    }
  }
  fail(text, "it should be LAYER.HEAD:FIRST-LAST,FIRST-LAST, the queries and then the keys counted from 0, e.g. 3.7:0-1023,0-1023");
}

Session show_tile(const Session& session, const TileOption& tile, const HeadSize& size, std::int64_t n_layers) {
  const Compute& compute = session.compute;
  const std::int64_t all_layers = layers_of(compute.trained, compute.stack);
  if (tile.head.layer >= all_layers || tile.head.head >= compute.n_heads) {
    fail(tile.text, "the model has layers 0 to " + std::to_string(all_layers - 1) + " with heads 0 to " +
                        std::to_string(compute.n_heads - 1));
  }
  if (tile.head.layer >= n_layers) {
    fail(tile.text, "of a text this long only the first " +
                        (n_layers == 1 ? std::string("layer") : std::to_string(n_layers) + " layers") +
                        " was computed; add --set \"compute.depth=all layers\"");
  }
  const TokenWindow& w = tile.window;
  const auto check_end = [&](std::int64_t end, std::int64_t all, const std::string& what) {
    if (end <= all) return;
    fail(tile.text,
         what + " " + std::to_string(all) + (all == 1 ? " token" : " tokens") + ", so the last one is " + std::to_string(all - 1));
  };
  check_end(w.row_end, size.queries, "the text has");
  check_end(w.col_end, size.keys, size.is_square() ? "the text has" : "the text that is looked at has");
  const std::int64_t fewest_rows = std::min(kFewestShown, size.queries), fewest_cols = std::min(kFewestShown, size.keys);
  if (w.rows() < fewest_rows || w.cols() < fewest_cols) {
    fail(tile.text,
         "a picture shows at least " + std::to_string(fewest_rows) + " queries and " + std::to_string(fewest_cols) + " keys");
  }
  Session shown = reduce(session, HeadOpened{tile.head}).session;
  shown = reduce(shown, HeadDrawingSet{HeadDrawing::kHeatmap}).session;
  return reduce(shown, showing(w, size)).session;
}

}  // namespace headroom
