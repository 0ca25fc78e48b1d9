#include "core/formats/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

#include "core/formats/capture_file.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing_files::little_endian;
using testing_files::message_of;
using testing_files::TemporaryFolder;

std::uint32_t crc_of(const std::string& text) {
  return static_cast<std::uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

std::string deflated(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// One member and what to say wrongly of it.
struct Member {
  std::string name, text;
  bool is_deflated = false;
  std::string data = {};          ///< as it lies in the file; empty: as it should
  std::uint64_t claimed = ~0ULL;  ///< size in the directory
  std::uint32_t crc_change = 0;   ///< added to the checksum
  std::uint16_t flags = 0, method = 0xFFFF;
  std::string local_name = {};  ///< empty: the same
  bool has_zip64 = false, has_descriptor = false;
  std::int64_t offset_change = 0;
};

std::string zip_of(const std::vector<Member>& members) {
  std::string file, directory;
  for (const Member& member : members) {
    const std::string data = !member.data.empty() ? member.data : member.is_deflated ? deflated(member.text) : member.text;
    const std::uint64_t size = member.claimed == ~0ULL ? member.text.size() : member.claimed;
    const std::uint32_t crc = crc_of(member.text) + member.crc_change;
    const std::uint16_t method = member.method != 0xFFFF ? member.method : member.is_deflated ? 8 : 0;
    const auto flags = static_cast<std::uint16_t>(member.flags | (member.has_descriptor ? 8 : 0));
    const std::string local_name = member.local_name.empty() ? member.name : member.local_name;
    const std::uint64_t offset = file.size();
    const bool hides_sizes = member.has_zip64 || member.has_descriptor;
    const std::uint64_t shown_size = member.has_zip64 ? 0xFFFFFFFF : member.has_descriptor ? 0 : size;
    const std::uint64_t shown_data = member.has_zip64 ? 0xFFFFFFFF : member.has_descriptor ? 0 : data.size();
    const std::string extra64 =
        member.has_zip64 ? little_endian(1, 2) + little_endian(16, 2) + little_endian(size, 8) + little_endian(data.size(), 8) : "";
    file += little_endian(0x04034b50, 4) + little_endian(45, 2) + little_endian(flags, 2) + little_endian(method, 2) +
            little_endian(0, 4) + little_endian(hides_sizes && member.has_descriptor ? 0 : crc, 4) + little_endian(shown_data, 4) +
            little_endian(shown_size, 4) + little_endian(local_name.size(), 2) + little_endian(extra64.size(), 2) + local_name +
            extra64 + data;
    if (member.has_descriptor)
      file += little_endian(0x08074b50, 4) + little_endian(crc, 4) + little_endian(data.size(), 4) + little_endian(size, 4);
    const std::uint64_t central_size = member.has_zip64 ? 0xFFFFFFFF : size,
                        central_data = member.has_zip64 ? 0xFFFFFFFF : data.size();
    directory += little_endian(0x02014b50, 4) + little_endian(45, 2) + little_endian(45, 2) + little_endian(flags, 2) +
                 little_endian(method, 2) + little_endian(0, 4) + little_endian(crc, 4) + little_endian(central_data, 4) +
                 little_endian(central_size, 4) + little_endian(member.name.size(), 2) + little_endian(extra64.size(), 2) +
                 little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 4) +
                 little_endian(static_cast<std::uint64_t>(static_cast<std::int64_t>(offset) + member.offset_change), 4) +
                 member.name + extra64;
  }
  const std::uint64_t begin = file.size();
  return file + directory + little_endian(0x06054b50, 4) + little_endian(0, 4) + little_endian(members.size(), 2) +
         little_endian(members.size(), 2) + little_endian(directory.size(), 4) + little_endian(begin, 4) + little_endian(0, 2);
}

std::string read_member(const ZipFile& zip, std::size_t i) {
  const ZipEntry& entry = zip.entries().at(i);
  std::string text(entry.size, '\0');
  zip.open(entry)->read(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

/// What goes wrong with the first member of an archive, opened and read.
std::string problem_of(const TemporaryFolder& folder, const std::string& bytes, const ZipLimits& limits = {}) {
  return message_of([&] {
    const ZipFile zip(folder.file("x.npz", bytes), limits);
    for (std::size_t i = 0; i < zip.entries().size(); ++i)
      read_member(zip, i);
  });
}

const std::string kText(100000, 'a');
const std::string kMixed = [] {
  std::string text;
  std::uint32_t state = 1;
  for (int i = 0; i < 100000; ++i) {
    state = state * 1664525 + 1013904223;
    text.push_back(static_cast<char>(state >> 28));
  }
  return text;
}();

TEST(Zip, ReadsStoredAndDeflatedMembers) {
  const TemporaryFolder folder;
  const ZipFile zip(folder.file("x.npz", zip_of({{"a", "hello"}, {"b", kMixed, true}, {"c", "", true}, {"d", "stored", false}})));
  ASSERT_EQ(zip.entries().size(), 4U);
  EXPECT_EQ(read_member(zip, 0), "hello");
  EXPECT_EQ(read_member(zip, 1), kMixed);
  EXPECT_EQ(read_member(zip, 2), "");
  EXPECT_EQ(read_member(zip, 3), "stored");
  // A header's worth of a deflated member, and any part of it.
  std::string part(10, '\0');
  const auto bytes = zip.open(zip.entries()[1]);
  bytes->read(5, std::as_writable_bytes(std::span(part.data(), part.size())));
  EXPECT_EQ(part, kMixed.substr(5, 10));
  bytes->read(50000, std::as_writable_bytes(std::span(part.data(), part.size())));
  EXPECT_EQ(part, kMixed.substr(50000, 10));
}

TEST(Zip, ReadsSizesOf64BitsAndThoseBehindTheData) {
  const TemporaryFolder folder;
  for (const bool is_deflated : {false, true}) {
    Member wide{"wide", kMixed, is_deflated}, later{"later", kMixed, is_deflated};
    wide.has_zip64 = true;
    later.has_descriptor = true;
    const ZipFile zip(folder.file("x.npz", zip_of({wide, later})));
    EXPECT_EQ(read_member(zip, 0), kMixed);
    EXPECT_EQ(read_member(zip, 1), kMixed);
  }
}

// N1: bombs.
TEST(Zip, N1RefusesBombs) {
  const TemporaryFolder folder;
  const std::string zeros(8u << 20, '\0');
  EXPECT_THAT(problem_of(folder, zip_of({{"bomb", zeros, true}})), HasSubstr("nothing but repeats"));
  ZipLimits small;
  small.max_inflated_bytes = 150000;
  EXPECT_THAT(problem_of(folder, zip_of({{"a", kMixed, true}, {"b", kMixed, true}}), small),
              HasSubstr("np.savez instead of np.savez_compressed"));
  EXPECT_EQ(problem_of(folder, zip_of({{"a", kMixed, true}}), small), "");
  small.max_entries = 2;
  EXPECT_THAT(problem_of(folder, zip_of({{"a", "1"}, {"b", "2"}, {"c", "3"}}), small),
              HasSubstr("3 members, more than the limit of 2"));
  small.max_directory_bytes = 60;
  EXPECT_THAT(problem_of(folder, zip_of({{"a", "1"}, {"b", "2"}}), small), HasSubstr("directory has"));
  // A size that the directory claims is not believed: what does not fit it is told.
  Member huge{"a", kMixed, true};
  huge.claimed = 0xFFFFFFF0;
  EXPECT_THAT(problem_of(folder, zip_of({huge})), HasSubstr("nothing but repeats"));
  Member more{"a", kMixed, true};
  more.claimed = 99999;
  EXPECT_THAT(problem_of(folder, zip_of({more})), HasSubstr("inflates to more"));
  Member less{"a", kMixed, true};
  less.claimed = 100001;
  EXPECT_THAT(problem_of(folder, zip_of({less})), HasSubstr("inflates to less"));
  // Two members of the same bytes.
  Member twin{"b", "1234"};
  twin.offset_change = -static_cast<std::int64_t>(30 + 1 + 4);
  EXPECT_THAT(problem_of(folder, zip_of({{"a", "1234"}, twin})), HasSubstr("overlaps"));
}

// N3: paths, encryption, damage.
TEST(Zip, N3NamesAreKeysAndNeverPaths) {
  const TemporaryFolder folder;
  const ZipFile zip(folder.file("x.npz", zip_of({{"../../x.npy", "hello"}})));
  EXPECT_EQ(zip.entries()[0].name, "../../x.npy");
  EXPECT_EQ(read_member(zip, 0), "hello");
  EXPECT_EQ(folder.n_entries(), 1U);
}

TEST(Zip, N3TellsWhatIsWrong) {
  const TemporaryFolder folder;
  Member secret{"a", "hello"};
  secret.flags = 1;
  EXPECT_THAT(problem_of(folder, zip_of({secret})), HasSubstr("encrypted"));
  Member lzma{"a", "hello"};
  lzma.method = 14;
  EXPECT_THAT(problem_of(folder, zip_of({lzma})), HasSubstr("method 14"));
  for (const bool is_deflated : {false, true}) {
    Member crc{"a", kMixed, is_deflated};
    crc.crc_change = 1;
    EXPECT_THAT(problem_of(folder, zip_of({crc})), HasSubstr("checksum"));
  }
  Member renamed{"a", "hello"};
  renamed.local_name = "b";
  EXPECT_THAT(problem_of(folder, zip_of({renamed})), HasSubstr("says otherwise than the directory"));
  EXPECT_THAT(problem_of(folder, zip_of({{"a", "1"}, {"a", "2"}})), HasSubstr("there twice"));
  Member damaged{"a", kMixed, true};
  damaged.data = deflated(kMixed);
  std::fill(damaged.data.begin() + 100, damaged.data.begin() + 200, '\xFF');
  EXPECT_NE(problem_of(folder, zip_of({damaged})), "");
  Member cut{"a", kMixed, true};
  cut.data = deflated(kMixed).substr(0, 1000);
  EXPECT_THAT(problem_of(folder, zip_of({cut})), HasSubstr("ends within its compressed data"));
}

TEST(Zip, N3TellsATruncatedArchiveAtAnyLength) {
  const TemporaryFolder folder;
  const std::string whole = zip_of({{"a.npy", "hello"}, {"b.npy", kText.substr(0, 200), true}});
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_NE(problem_of(folder, whole.substr(0, n)), "") << n;
  EXPECT_EQ(problem_of(folder, whole), "");
}

TEST(Zip, N3EveryChangedByteOfTheDirectoryIsToldOrHarmless) {
  const TemporaryFolder folder;
  const std::string whole = zip_of({{"a.npy", "hello"}, {"b.npy", kText.substr(0, 200), true}});
  for (std::size_t at = whole.size() - 130; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    problem_of(folder, changed);  // whatever it says, it ends
  }
}

TEST(Zip, TellsAPyTorchFile) {
  const TemporaryFolder folder;
  const auto path = folder.file("x.pt", zip_of({{"archive/data.pkl", "hello"}, {"archive/version", "3"}}));
  EXPECT_THAT(message_of([&] { open_capture_file(path); }), HasSubstr("weights_only=True"));
}

}  // namespace
}  // namespace headroom
