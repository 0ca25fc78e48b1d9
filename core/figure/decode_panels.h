#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/figure/canvas.h"
#include "core/session/decode_requests.h"

namespace headroom {

/// The step that the Decode stage looks at, and the head whose cache and row it shows.
struct DecodeLook {
  const Decoded& decoded;
  const DecodeRun& run;
  const DecodeStep& step;
  std::int64_t index = 0;  ///< of the step, counted from 0
  std::int64_t layer = 0;
  std::int64_t head = 0;     ///< row of the layer's probabilities; -1: no head of it is left
  std::int64_t kv_head = 0;  ///< row of the layer's cache that it reads

  const LayerStep& cache() const { return step.layers[static_cast<std::size_t>(layer)]; }
  bool has_head() const { return head >= 0; }
  /// "L3 H1", "K/V head 0 of L3": unpruned numbering.
  std::string head_text() const;
  std::string kv_head_text() const;
  /// How a token of the text is drawn; its number where its words are not known.
  std::string word(std::int64_t position) const;
  /// The slot of the chosen K/V head that holds each token that was read, -1 where it was given up. Shape  [step.position].
  std::vector<std::int64_t> slots() const;
};
/// Of the session's step and head; of a head that is pruned the first one left. Nothing without a step.
std::optional<DecodeLook> decode_look(const View& view, const DecodeState& state);

/// Where the parts of the figure lie. Those without room are empty and named in `left_out`.
struct DecodeLayout {
  Rect header, tokens, work, time, growth, cache, bytes, row;
  std::vector<std::string> left_out;
};
/// `token_rows`: of the text's chips, if there is room for so many.
DecodeLayout lay_out_decode(Size size, std::size_t token_rows);
/// Rows that the chips of the text take in this width.
std::size_t decode_token_rows(Canvas& canvas, double width, const DecodeLook& look);

// The parts, each with its title.
void draw_decode_tokens(Canvas& canvas, const Rect& area, const DecodeLook& look);  ///< the text as chips; click: its step
void draw_decode_work(Canvas& canvas, const Rect& area, const DecodeLook& look);    ///< what the step computes, both ways
void draw_decode_time(Canvas& canvas, const Rect& area, const DecodeLook& look);    ///< of this text's steps over position
/// Time of one more token over the tokens before it, measured or what it will show.
void draw_decode_growth(Canvas& canvas, const Rect& area, const DecodeState& state);
void draw_decode_cache(Canvas& canvas, const Rect& area, const DecodeLook& look);  ///< slots and pages
void draw_decode_bytes(Canvas& canvas, const Rect& area, const DecodeLook& look);  ///< layer by K/V head
void draw_decode_row(Canvas& canvas, const Rect& area, const DecodeLook& look);    ///< what the newest token gives each

/// The two ways, as all parts show them.
struct DecodeSigns {
  Color cached, whole;
};
DecodeSigns decode_signs(const Theme& theme);

}  // namespace headroom
