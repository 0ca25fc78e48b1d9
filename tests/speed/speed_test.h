#pragma once

#include <string>
#include <vector>

#include "core/speed/measuring.h"

namespace headroom {

/// Milliseconds in all: what is tested is what is measured, never how fast it is.
inline SpeedTools quick_tools(ThreadPool& pool) { return {.pool = pool, .budget = {.seconds = 0.001, .rounds = 2}}; }

inline SpeedShape small_shape(std::int64_t n_heads, std::int64_t n_kv_heads, std::int64_t n) {
  SpeedShape shape;
  shape.config.n_heads = n_heads;
  shape.config.n_kv_heads = n_kv_heads;
  shape.config.d_head = 16;
  shape.config.seq_q = shape.config.seq_k = n;
  shape.d_model = 48;
  return shape;
}

/// The fields of RFC 4180 text, line by line, read without the writer's code.
inline std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> lines{{}};
  std::string field;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
        field += '"';
        ++i;
      } else if (c == '"') {
        quoted = false;
      } else {
        field += c;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      lines.back().push_back(field);
      field.clear();
    } else if (c == '\n') {
      lines.back().push_back(field);
      field.clear();
      lines.emplace_back();
    } else if (c != '\r') {
      field += c;
    }
  }
  lines.pop_back();
  return lines;
}

}  // namespace headroom
