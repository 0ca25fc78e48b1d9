#include "core/formats/capture_file.h"

#include <algorithm>
#include <limits>
#include <system_error>

#include "core/formats/npy.h"
#include "core/formats/safetensors.h"
#include "core/formats/utf8.h"
#include "core/formats/zip.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxTexts = 1 << 20;
constexpr std::uint64_t kMaxTokensBytes = 64u << 20;

/// What to run in Python, where the file could be trusted.
std::string conversion_advice() {
  return "a Python pickle could run anything, so it is never opened. Where you trust it, convert it: "
         "import torch, safetensors.torch as st; a = torch.load('FILE', weights_only=True); "
         "st.save_file({f'attn.{i:03d}': t.float().contiguous() for i, t in enumerate(a)}, 'attention.safetensors')";
}

void read_safetensors(CaptureFile& file, const std::shared_ptr<const InputFile>& input) {
  const SafetensorsFile header(file.path);
  std::uint64_t end = 0;
  for (const TensorEntry& entry : header.tensors())
    end = std::max(end, entry.end);
  if (header.file_size() != input->size()) throw Error(shown_path(file.path) + ": the file changed while reading");
  const std::uint64_t begin = input->size() - end;  // tensors fill the file to its end: the header's check
  for (const TensorEntry& entry : header.tensors()) {
    const auto format = number_format(entry.dtype);
    if (entry.begin == entry.end) continue;
    if (!format) {
      file.notices.push_back("Tensor " + in_quotes(entry.name) + " has dtype " + dtype_name(entry.dtype) + ", which is not read.");
      continue;
    }
    std::vector<std::int64_t> shape;
    for (const std::uint64_t dim : entry.shape)
      shape.push_back(static_cast<std::int64_t>(dim));  // its product fits the file's size
    file.arrays.push_back({entry.name, std::move(shape), *format, std::make_shared<FileBytes>(input, begin + entry.begin)});
  }
  file.metadata = header.metadata();
}

void add_npy(CaptureFile& file, const NpyArray& array) {
  if (std::find(array.header.shape.begin(), array.header.shape.end(), 0) != array.header.shape.end()) return;
  if (array.header.content == NpyHeader::Content::kNumbers) {
    file.arrays.push_back(array.numbers());
    return;
  }
  CaptureFile::Texts texts{array.header.shape, array.texts(kMaxTexts)};
  if (texts.values.size() == 1 && texts.shape.empty()) {
    file.metadata[array.name] = texts.values.front();
  } else {
    file.texts[array.name] = std::move(texts);
  }
}

void read_npz(CaptureFile& file) {
  const ZipFile zip(file.path);
  constexpr std::string_view kEnding = ".npy";
  std::uint64_t sorted = 0;
  std::size_t n_unchecked = 0;
  for (const ZipEntry& entry : zip.entries()) {
    const std::string shown = in_quotes(entry.name);
    if (entry.name.ends_with('/')) continue;
    const bool is_pytorch = entry.name.ends_with("data.pkl");
    if (is_pytorch) throw Error(shown_path(file.path) + ": is a PyTorch file: " + conversion_advice());
    if (!entry.name.ends_with(kEnding)) {
      file.notices.push_back("Member " + shown + " is no .npy array and is not read.");
      continue;
    }
    const std::string name = entry.name.substr(0, entry.name.size() - kEnding.size());
    const std::string where = shown_path(file.path) + ": member " + shown;
    const NpyArray array = open_npy(zip.open(entry), entry.size, name, where);
    if (array.header.order == NpyHeader::Order::kFortran && array.header.shape.size() > 1) sorted += entry.size;
    if (sorted > kMaxHeldBytes)
      throw Error(where +
                  " is in Fortran order, of which the file has too much to sort in memory: save np.ascontiguousarray of each");
    if (!zip.is_checked(entry)) ++n_unchecked;
    add_npy(file, array);
  }
  if (n_unchecked > 0)
    file.notices.push_back("The checksums of " + counted(n_unchecked, "large array") +
                           " were not compared: these are read in rows, as they are looked at.");
}

/// NAME.tokens.json beside a file that has no place for texts.
void read_tokens_beside(CaptureFile& file) {
  fs::path beside = file.path;
  beside.replace_extension(".tokens.json");
  std::error_code error;
  if (!fs::exists(beside, error)) return;
  file.metadata["tokens"] = read_text_file(beside, kMaxTokensBytes);
}

}  // namespace

const NumericArray* CaptureFile::find(std::string_view name) const {
  const auto found = std::find_if(arrays.begin(), arrays.end(), [&](const NumericArray& array) { return array.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}

bool has_capture_ending(const fs::path& path) {
  for (const char* ending : {".safetensors", ".npz", ".npy", ".pt", ".pth", ".pkl"})
    if (path.extension() == ending) return true;
  return false;
}

CaptureFile open_capture_file(const fs::path& path) {
  CaptureFile file;
  file.path = path;
  const auto input = std::make_shared<const InputFile>(path);
  file.bytes = input->size();
  std::string first(static_cast<std::size_t>(std::min<std::uint64_t>(file.bytes, 8)), '\0');
  input->read(0, std::as_writable_bytes(std::span(first.data(), first.size())));
  const bool is_pickle = first.size() > 1 && first[0] == '\x80' && first[1] >= '\x02' && first[1] <= '\x05';
  if (is_pickle) throw Error(shown_path(path) + ": " + conversion_advice());
  if (begins_as_zip(first) || first.starts_with("PK\x05\x06")) {
    file.format = CaptureFile::Format::kNpz;
    read_npz(file);
  } else if (first.starts_with("\x93NUMPY") || path.extension() == ".npy") {
    file.format = CaptureFile::Format::kNpy;
    const std::string name = path.stem().string();
    add_npy(file, open_npy(std::make_shared<FileBytes>(input, 0), file.bytes, name, shown_path(path)));
  } else {
    read_safetensors(file, input);
  }
  if (file.metadata.find("tokens") == file.metadata.end()) read_tokens_beside(file);
  return file;
}

}  // namespace headroom
