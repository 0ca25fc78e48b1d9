#include "core/formats/tensor_listing.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/formats/file.h"
#include "core/formats/safetensors.h"
#include "core/formats/safetensors_header.h"
#include "core/formats/shards.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

/// A shape with a 0 may hold other numbers that no product can.
std::uint64_t elements_of(const std::vector<std::uint64_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::uint64_t n = 1;
  for (const std::uint64_t size : shape)
    n = n > std::numeric_limits<std::uint64_t>::max() / size ? std::numeric_limits<std::uint64_t>::max() : n * size;
  return n;
}

/// The name up to its first part that is a number: the layer that a tensor belongs to.
void find_group(std::string_view name, ListedTensor& tensor) {
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    std::int64_t layer = 0;
    const auto [stop, error] = std::from_chars(name.data() + begin, name.data() + end, layer);
    if (begin > 0 && end > begin && end - begin <= 4 && stop == name.data() + end && error == std::errc() && layer >= 0 &&
        end < name.size()) {
      tensor.group = escape_for_display(name.substr(0, end));
      tensor.layer = layer;
      return;
    }
    begin = end + 1;
  }
}

void add(TensorListing& listing, const TensorEntry& entry, std::size_t file) {
  ListedTensor tensor{.name = escape_for_display(entry.name), .dtype = dtype_name(entry.dtype), .shape = shape_text(entry)};
  find_group(entry.name, tensor);
  tensor.bytes = entry.end - entry.begin;
  tensor.elements = elements_of(entry.shape);
  tensor.file = static_cast<std::uint32_t>(file);
  listing.bytes += tensor.bytes;
  listing.tensors.push_back(std::move(tensor));
}

void add_file(TensorListing& listing, const fs::path& path) {
  const SafetensorsFile file(path);
  const std::size_t at = listing.files.size();
  listing.files.push_back(escape_for_display(path.filename().native()));
  for (const TensorEntry& entry : file.tensors())
    add(listing, entry, at);
}

void add_checkpoint(TensorListing& listing, const fs::path& folder) {
  const WeightFiles weights(folder);
  std::map<const SafetensorsFile*, std::size_t> index;
  for (std::size_t i = 0; i < weights.n_files(); ++i) {
    index[&weights.file(i)] = i;
    listing.files.push_back(escape_for_display(weights.file(i).path().filename().native()));
  }
  for (const StoredTensor& tensor : weights.tensors())
    add(listing, *tensor.entry, index.at(tensor.file));
  listing.notices = weights.notices();
}

/// What can be read of a folder whose checkpoint is not whole.
void add_sound_files(TensorListing& listing, const fs::path& folder) {
  constexpr std::size_t kMaxFiles = 512;
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end && paths.size() < kMaxFiles; it.increment(error))
    if (it->path().extension() == ".safetensors") paths.push_back(it->path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    try {
      add_file(listing, path);
    } catch (const Error& problem) {
      listing.notices.push_back(problem.what());
    }
  }
}

}  // namespace

TensorListing list_tensors(const fs::path& path) {
  TensorListing listing;
  try {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      add_file(listing, path);
      return listing;
    }
    try {
      add_checkpoint(listing, path);
    } catch (const Error& problem) {
      listing = TensorListing{.problem = problem.what()};
      add_sound_files(listing, path);
    }
  } catch (const std::bad_alloc&) {
    listing.problem = shown_path(path) + ": listing its tensors needs more memory than there is";
  } catch (const std::exception& problem) {
    listing.problem = problem.what();
  }
  return listing;
}

std::string dtypes_text(const TensorListing& listing) {
  std::map<std::string, std::size_t> counts;
  for (const ListedTensor& tensor : listing.tensors)
    ++counts[tensor.dtype];
  std::vector<std::pair<std::string, std::size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [name, n] : sorted)
    text += (text.empty() ? "" : ", ") + std::to_string(n) + " " + name;
  return text;
}

}  // namespace headroom
