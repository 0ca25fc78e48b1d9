#include "core/formats/shards.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <set>

#include "core/formats/json_value.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using Type = JsonValue::Type;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxListed = 3;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

/// A bare name of the folder's own: what cannot lead anywhere else on any system.
bool is_bare_name(std::string_view name) {
  constexpr std::size_t kMaxBytes = 255;
  if (name.empty() || name.size() > kMaxBytes || name.front() == '.') return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

/// "a, b and 3 more"
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMaxListed); ++i)
    text += (i == 0 ? "" : ", ") + escape_for_display(names[i], 120);
  if (names.size() > kMaxListed) text += " and " + with_thousands(names.size() - kMaxListed) + " more";
  return text;
}

/// "model-00002-of-00003.safetensors"
struct Numbered {
  std::string before;     ///< "model"
  std::string digits;     ///< "00002"
  std::string of_digits;  ///< "00003"
};
std::optional<Numbered> numbered(std::string_view name) {
  constexpr std::string_view kEnd = ".safetensors", kOf = "-of-", kDigits = "0123456789";
  if (!name.ends_with(kEnd)) return {};
  name.remove_suffix(kEnd.size());
  const std::size_t of = name.rfind(kOf);
  if (of == std::string_view::npos || of == 0) return {};
  const std::size_t dash = name.rfind('-', of - 1);
  if (dash == std::string_view::npos) return {};
  const std::string_view digits = name.substr(dash + 1, of - dash - 1), total = name.substr(of + kOf.size());
  if (digits.empty() || total.empty() || digits.find_first_not_of(kDigits) != std::string_view::npos ||
      total.find_first_not_of(kDigits) != std::string_view::npos)
    return {};
  return Numbered{std::string(name.substr(0, dash)), std::string(digits), std::string(total)};
}

/// Names of the series that the index leaves out: model-00002-of-00003.safetensors between 1 and 3.
std::vector<std::string> gaps(const std::set<std::string>& shards) {
  std::vector<std::string> missing;
  const std::optional<Numbered> first = shards.empty() ? std::nullopt : numbered(*shards.begin());
  std::uint64_t total = 0;
  if (!first ||
      std::from_chars(first->of_digits.data(), first->of_digits.data() + first->of_digits.size(), total).ec != std::errc{})
    return missing;
  for (std::uint64_t i = 1; i <= std::min<std::uint64_t>(total, kMaxShards); ++i) {
    std::string digits = std::to_string(i);
    if (digits.size() < first->digits.size()) digits.insert(0, first->digits.size() - digits.size(), '0');
    const std::string name = first->before + "-" + digits + "-of-" + first->of_digits + ".safetensors";
    if (!shards.contains(name)) missing.push_back(name);
  }
  return missing;
}

/// What the index says, checked before any shard is looked at.
struct Index {
  std::vector<std::pair<std::string, std::string>> places;  ///< tensor, shard
  std::set<std::string> shards;
  std::optional<JsonValue> total_size;
};

Index read_index(const fs::path& path) {
  const std::string where = shown_path(path) + ": ";
  const JsonDocument document = read_json_file(path, kMaxIndexBytes);
  if (!document.root.is(Type::kObject)) throw Error(where + "must be a JSON object, but it is " + describe(document.root));
  const JsonValue* map = document.root.find("weight_map");
  if (map == nullptr) throw Error(where + "has no weight_map, which says in which shard each tensor is");
  if (!map->is(Type::kObject)) throw Error(where + "weight_map is " + describe(*map) + ", where an object is needed");
  if (map->members.empty()) throw Error(where + "weight_map is empty");
  Index index;
  for (const auto& [tensor, shard] : map->members) {
    const std::string of_tensor = " for tensor " + in_quotes(tensor, 120);
    if (!shard.is(Type::kString))
      throw Error(where + "weight_map holds " + describe(shard) + of_tensor + ", where a file's name is needed");
    if (!is_bare_name(shard.string))
      throw Error(where + "weight_map names " + in_quotes(shard.string, 120) + of_tensor +
                  ", which is no plain name of a file in this folder; nothing outside it is opened");
    if (!shard.string.ends_with(".safetensors"))
      throw Error(where + "weight_map names " + in_quotes(shard.string, 120) + of_tensor +
                  ", which is no .safetensors file: save the model as safetensors (other formats can run code when they are read)");
    index.places.emplace_back(tensor, shard.string);
    index.shards.insert(shard.string);
  }
  for (const std::string& name : document.duplicates)
    if (map->find(name) != nullptr) throw Error(where + "weight_map names tensor " + in_quotes(name, 120) + " twice");
  if (index.shards.size() > kMaxShards)
    throw Error(where + "names " + counted(index.shards.size(), "shard") + ", more than the limit of " +
                with_thousands(kMaxShards));
  if (const JsonValue* metadata = document.root.find_set("metadata"))
    if (const JsonValue* size = metadata->find_set("total_size")) index.total_size = *size;
  return index;
}

/// Why there are no weights to read here.
[[noreturn]] void fail_without_weights(const fs::path& folder) {
  std::error_code error;
  const std::string at = shown_path(folder) + ": ";
  if (!fs::is_directory(folder, error)) throw Error(at + "is not a folder, or not there");
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.gguf", "consolidated.00.pth", "tf_model.h5"})
    if (fs::exists(folder / name, error))
      throw Error(at + "there is " + name + " but no model.safetensors: save the model as safetensors");
  throw Error(at + "there is no model.safetensors");
}

}  // namespace

WeightFiles::WeightFiles(const fs::path& folder, const SafetensorsLimits& limits) {
  const bool has_single = is_there(folder / kSingle), has_index = is_there(folder / kIndex);
  if (!has_single && !has_index) fail_without_weights(folder);
  path_ = folder / (has_single ? kSingle : kIndex);
  if (!has_single) {
    open_shards(limits);
    return;
  }
  open_single(limits);
  if (has_index)
    notices_.push_back(
        "The folder has both model.safetensors and model.safetensors.index.json: the single file was read, as transformers does.");
}

void WeightFiles::open_single(const SafetensorsLimits& limits) {
  files_.push_back(std::make_unique<const SafetensorsFile>(path_, limits));
  take_metadata(*files_.front());
  for (const TensorEntry& entry : files_.front()->tensors())
    take(*files_.front(), entry);
}

void WeightFiles::open_shards(const SafetensorsLimits& limits) {
  const Index index = read_index(path_);
  const std::string where = shown_path(path_) + ": ";
  const fs::path folder = path_.parent_path();
  std::vector<std::string> missing = gaps(index.shards);
  for (const std::string& shard : index.shards) {
    std::error_code error;
    // A link whose target is not there is a download that was not finished.
    if (fs::status(folder / shard, error).type() == fs::file_type::not_found) missing.push_back(shard);
  }
  if (!missing.empty()) {
    std::ranges::sort(missing);
    throw Error(where + counted(missing.size(), "shard") + (missing.size() == 1 ? " is" : " are") + " missing: " + listed(missing) +
                "; is the download complete?");
  }

  std::unordered_map<std::string_view, const SafetensorsFile*> opened;
  std::unordered_map<std::string_view, std::string_view> shard_of;
  for (const auto& [tensor, shard] : index.places)
    shard_of.emplace(tensor, shard);
  std::unordered_map<std::string_view, std::string_view> holder;  // of tensors, by the shards' own lists
  std::vector<std::string> unmapped;
  std::uint64_t all_bytes = 0;
  for (const std::string& shard : index.shards) {
    files_.push_back(std::make_unique<const SafetensorsFile>(folder / shard, limits));
    const SafetensorsFile& file = *files_.back();
    opened.emplace(shard, &file);
    take_metadata(file);
    for (const TensorEntry& entry : file.tensors()) {
      if (const auto [other, is_new] = holder.emplace(entry.name, shard); !is_new)
        throw Error(where + "tensor " + in_quotes(entry.name, 120) + " is in two shards, " + std::string(other->second) + " and " +
                    shard);
      all_bytes += entry.end - entry.begin;
      if (shard_of.contains(entry.name)) {
        take(file, entry);
      } else {
        unmapped.push_back(entry.name);
      }
    }
  }
  for (const auto& [tensor, shard] : index.places) {
    const auto found = holder.find(tensor);
    if (found == holder.end() || found->second != shard)
      throw Error(where + "tensor " + in_quotes(tensor, 120) + " is mapped to shard " + shard + " but not in it" +
                  (found == holder.end() ? "" : "; it is in " + std::string(found->second)));
  }
  if (!unmapped.empty())
    notices_.push_back(counted(unmapped.size(), "tensor") + (unmapped.size() == 1 ? " is" : " are") +
                       " in a shard but not in the index, so not used: " + listed(unmapped) + ".");
  if (index.total_size && (!index.total_size->is(Type::kUnsigned) || index.total_size->unsigned_value != all_bytes))
    notices_.push_back(
        "The index says that the tensors take " +
        (index.total_size->is(Type::kUnsigned) ? counted(index.total_size->unsigned_value, "byte") : describe(*index.total_size)) +
        ", but they take " + counted(all_bytes, "byte") + ".");
}

void WeightFiles::take(const SafetensorsFile& file, const TensorEntry& entry) {
  by_name_.emplace(entry.name, tensors_.size());
  tensors_.push_back({&file, &entry});
  total_bytes_ += entry.end - entry.begin;
}

void WeightFiles::take_metadata(const SafetensorsFile& file) { metadata_.insert(file.metadata().begin(), file.metadata().end()); }

StoredTensor WeightFiles::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? StoredTensor{} : tensors_[found->second];
}

void WeightFiles::check_unchanged() const {
  for (const auto& file : files_)
    file->check_unchanged();
}

std::vector<std::string> weight_file_names(const fs::path& folder) {
  if (is_there(folder / kSingle)) return {kSingle};
  if (!is_there(folder / kIndex)) return {};
  std::vector<std::string> names = {kIndex};
  try {
    const Index index = read_index(folder / kIndex);
    names.insert(names.end(), index.shards.begin(), index.shards.end());
  } catch (const Error&) {
    return {};
  }
  return names;
}

}  // namespace headroom
