#include "core/formats/family.h"

#include <charconv>

#include "core/tensor/error.h"

namespace headroom {

std::span<const Family> families() {
  static const std::vector<Family> all = [] {
    std::vector<Family> list = llama_families();
    list.push_back(gpt2_family());
    list.push_back(bert_family());
    list.push_back(bart_family());
    return list;
  }();
  return all;
}

const Family& family_named(std::string_view model_type) {
  std::string known;
  for (const Family& family : families()) {
    if (family.model_type == model_type) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  throw Error("there is no family of models named \"" + std::string(model_type) + "\" (" + known + " are known)");
}

std::string json_of(std::int64_t value) { return std::to_string(value); }
std::string json_of(bool value) { return value ? "true" : "false"; }
std::string json_of(float value) {
  char text[64];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  std::string number(text, end.ptr);
  // Python's json reads 100 as an integer.
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return number;
}
std::string json_of(const char* text) { return '"' + std::string(text) + '"'; }
std::string json_of_id(std::int64_t id) { return id < 0 ? "null" : std::to_string(id); }

}  // namespace headroom
