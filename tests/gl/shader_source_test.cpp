#include "core/gl/shader_source.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/gl/program.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

/// A folder of shaders that HEADROOM_SHADER_DIR names while this lives.
class ShaderFolder {
 public:
  ShaderFolder()
      : folder_(std::filesystem::temp_directory_path() / ("headroom_shaders_" + std::to_string(std::random_device{}()))) {
    std::filesystem::create_directories(folder_);
    setenv("HEADROOM_SHADER_DIR", folder_.c_str(), 1);
  }
  ~ShaderFolder() {
    unsetenv("HEADROOM_SHADER_DIR");
    std::filesystem::remove_all(folder_);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

 private:
  std::filesystem::path folder_;
};

std::string error_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ShaderSource, DefinesFollowTheVersionLine) {
  const ShaderSource source = expand_shader("a.comp", "#version 430 core\nint x;\n", {{"N", 3}, {"M", -1}});
  EXPECT_EQ(source.text, "#version 430 core\n#define N 3\n#define M -1\n#line 2 0\nint x;\n");
  EXPECT_EQ(expand_shader("a.glsl", "int x;", {{"N", 3}}).text, "#define N 3\n#line 1 0\nint x;\n");
}

TEST(ShaderSource, IncludesOnceWithLineNumbers) {
  const ShaderFolder folder;
  folder.write("b.glsl", "int b;\n#include \"c.glsl\"\nint b2;\n");
  folder.write("c.glsl", "int c;\n#include \"b.glsl\"\n");
  const ShaderSource source = expand_shader("a.comp", "#version 430 core\n#include \"b.glsl\"\n  # include \"c.glsl\"\nint a;\n");
  EXPECT_EQ(source.files, (std::vector<std::string>{"a.comp", "b.glsl", "c.glsl"}));
  EXPECT_EQ(source.text,
            "#version 430 core\n#line 2 0\n#line 1 1\nint b;\n#line 1 2\nint c;\n#line 3 2\n#line 3 1\nint b2;\n#line 3 0\n#line 4 "
            "0\nint "
            "a;\n");
}

TEST(ShaderSource, MissingFilesAreNamed) {
  EXPECT_EQ(error_of([] { load_shader("nonesuch.comp"); }), "there is no shader named nonesuch.comp");
  EXPECT_EQ(error_of([] { expand_shader("a.comp", "#version 430 core\n\n#include \"nonesuch.glsl\"\n"); }),
            "a.comp:3: there is no shader named nonesuch.glsl");
  const ShaderFolder folder;
  EXPECT_THAT(error_of([] { load_shader("rotary.comp"); }), testing::HasSubstr("HEADROOM_SHADER_DIR"));
}

TEST(ShaderSource, EmbeddedTextIsTheFiles) {
  std::ifstream file(HEADROOM_SOURCE_DIR "/shaders/projection.comp", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(shader_text("projection.comp"), text);
}

TEST(ShaderSource, LogsOfAllDriversGetFileNames) {
  ShaderSource source;
  source.files = {"a.comp", "mask.glsl"};
  EXPECT_EQ(source.readable_log("1:12(7): error: no function with name 'foo'\n"),
            "mask.glsl:12(7): error: no function with name 'foo'");
  EXPECT_EQ(source.readable_log("1(12) : error C1008: undefined variable"), "mask.glsl:12 : error C1008: undefined variable");
  EXPECT_EQ(source.readable_log("ERROR: 0:3: 'x' : undeclared\nERROR: 1 errors"),
            "ERROR: a.comp:3: 'x' : undeclared\nERROR: 1 errors");
  EXPECT_EQ(source.readable_log("7:12(7): error: of no file"), "7:12(7): error: of no file");
  EXPECT_EQ(source.readable_log(""), "");
}

class ProgramTest : public GlTest {};

TEST_F(ProgramTest, ErrorNamesTheIncludedFileAndItsLine) {
  const ShaderFolder folder;
  folder.write("part.glsl", "int good() { return 1; }\n\nint bad() { return foo(2); }\n");
  folder.write("whole.comp", "#version 430 core\n#include \"part.glsl\"\nlayout(local_size_x = 1) in;\nvoid main() { good(); }\n");
  const std::string text = error_of([] { Program::compute(load_shader("whole.comp", {{"N", 1}})); });
  EXPECT_THAT(text, testing::HasSubstr("The shader whole.comp does not compile"));
  EXPECT_THAT(text, testing::HasSubstr("part.glsl:3"));
  EXPECT_THAT(text, testing::HasSubstr("foo"));
}

TEST_F(ProgramTest, ErrorAfterAnIncludeNamesTheOuterLine) {
  const ShaderFolder folder;
  folder.write("part.glsl", "int good() { return 1; }\n\n\n\n");
  folder.write("whole.comp", "#version 430 core\n#include \"part.glsl\"\nlayout(local_size_x = 1) in;\nvoid main() { bar(); }\n");
  EXPECT_THAT(error_of([] { Program::compute(load_shader("whole.comp", {{"N", 1}})); }), testing::HasSubstr("whole.comp:4"));
}

TEST_F(ProgramTest, LinkErrorNamesBothShaders) {
  const ShaderSource vertex =
      expand_shader("v.vert", "#version 330 core\nout vec2 a;\nvoid main() { a = vec2(0); gl_Position = vec4(0); }\n");
  const ShaderSource fragment =
      expand_shader("f.frag", "#version 330 core\nin vec4 a;\nout vec4 color;\nvoid main() { color = a; }\n");
  EXPECT_THAT(error_of([&] { Program::draw(vertex, fragment); }), testing::HasSubstr("v.vert + f.frag does not link"));
}

TEST_F(ProgramTest, CacheCompilesEachVariantOnce) {
  ProgramCache cache;
  const unsigned first = cache.get("rotary.comp", {{"LOCAL_SIZE", 32}}).id();
  EXPECT_EQ(cache.get("rotary.comp", {{"LOCAL_SIZE", 32}}).id(), first);
  EXPECT_NE(cache.get("rotary.comp", {{"LOCAL_SIZE", 64}}).id(), first);
}

}  // namespace
}  // namespace headroom::gl
