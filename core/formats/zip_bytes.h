#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/formats/numeric_array.h"

namespace headroom {

/// Where a deflated member lies and what must come of it.
struct DeflatedMember {
  std::shared_ptr<const InputFile> file;
  std::uint64_t begin = 0, compressed = 0, size = 0;
  std::uint32_t crc = 0;
  std::string where;  ///< begins each sentence
};

/// Inflates the first bytes at once, for a header, and all of them when more is asked for.
/// Errors  Error when the data are damaged, end early, go on after `size`, or have another checksum.
class DeflatedBytes : public ByteSource {
 public:
  explicit DeflatedBytes(DeflatedMember member);
  void read(std::uint64_t offset, std::span<std::byte> to) const override;

 private:
  std::vector<std::byte> first_;
  HeldBytes all_;
};

struct Checksum {
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
};
/// Errors  Error when the bytes have another CRC-32.
void check_crc(const ByteSource& bytes, const Checksum& expected, const std::string& where);

}  // namespace headroom
