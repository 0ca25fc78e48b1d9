#include "core/formats/tokenizer.h"

namespace headroom {

std::unique_ptr<Tokenizer> load_folder_tokenizer(const std::filesystem::path& folder) {
  return load_tokenizer(folder / "tokenizer.json");
}

}  // namespace headroom
