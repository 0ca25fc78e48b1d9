#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "core/formats/shards.h"
#include "tests/fuzz/target.h"

using namespace headroom;

namespace {

/// A folder with two shards of one tensor each, "a" and "b", and an index that is still to be written.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
    for (const char tensor : {'a', 'b'}) {
      const std::string header = std::string(R"({")") + tensor + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
      std::string length(8, '\0');
      length[0] = static_cast<char>(header.size());
      std::ofstream(path / ("model-0000" + std::to_string(tensor - 'a' + 1) + "-of-00002.safetensors"), std::ios::binary)
          << length << header << '\0';
    }
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;

  std::filesystem::path path;
};

}  // namespace

/// model.safetensors.index.json beside shards that are sound: no file outside the folder may be named.
HEADROOM_FUZZ_TARGET(index) {
  static const Folder folder;
  std::ofstream(folder.path / "model.safetensors.index.json", std::ios::binary) << bytes;
  return fuzz::accepts([&] {
    const WeightFiles files(folder.path);
    for (std::size_t i = 0; i < files.n_files(); ++i)
      if (files.file(i).path().parent_path() != folder.path) __builtin_trap();
  });
}
