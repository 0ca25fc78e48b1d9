#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_TRUETYPE_TABLES_H

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "app/painters/drawable_text.h"
#include "app/painters/fonts.h"
#include "app/painters/imgui_compat.h"
#include "app/painters/imgui_painter.h"
#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::array<double, 3> kSizes{kTextSize, kSmallTextSize, kHeadingSize};
constexpr std::array<FontFace, 3> kFaces{FontFace::kSans, FontFace::kSansMedium, FontFace::kMono};
/// Characters beyond the basic ones that the atlas takes: enough for a page of Chinese.
constexpr std::size_t kMaxExtraCharacters = 4000;
constexpr std::uint64_t kMaxFontBytes = 64U << 20U;

/// Always there: Latin with its accents, punctuation, and the signs that views and figures use.
std::set<char32_t> basic_characters() {
  std::set<char32_t> basic;
  for (char32_t c = 0x20; c < 0x180; ++c) {
    if (c < 0x7f || c >= 0xa0) basic.insert(c);
  }
  for (const char32_t c : std::u32string_view(
           U"–—‘’“”„†•…‹›‽€™←↑→↓↔⇒⇧⌃⌘∂∆∈∏∑−√∞∫≈≠≤≥ΑΒΓΔΘΛΣΦΨΩαβγδεθλμπρστφχψω■□▪▲▶▸▼▾◀◂●○✓✕␣↵⏎⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉·×÷ˈ")) {
    basic.insert(c);
  }
  return basic;
}

/// A font file: which characters it has (asked of FreeType without reading it whole), and its bytes once ImGui needs them.
class FontFile {
 public:
  FontFile(FT_Library library, std::filesystem::path path) : path_(std::move(path)) {
    if (path_.empty() || FT_New_Face(library, path_.c_str(), 0, &face_) != 0) face_ = nullptr;
  }
  ~FontFile() {
    if (face_ != nullptr) FT_Done_Face(face_);
  }
  FontFile(const FontFile&) = delete;
  FontFile& operator=(const FontFile&) = delete;

  /// Height of a line over the em: ImGui sizes fonts by the first, everybody else by the second.
  /// Source  the hhea table, which ImGui's own reader uses; OpenType 1.9.
  double line_ratio() const {
    if (face_ == nullptr) return 1;
    const auto* hhea = static_cast<const TT_HoriHeader*>(FT_Get_Sfnt_Table(face_, FT_SFNT_HHEA));
    if (hhea == nullptr || face_->units_per_EM == 0) return 1;
    const double ratio = static_cast<double>(hhea->Ascender - hhea->Descender) / face_->units_per_EM;
    return ratio > 0.5 && ratio < 4 ? ratio : 1;
  }
  bool has(char32_t c) const { return face_ != nullptr && FT_Get_Char_Index(face_, c) != 0; }
  /// Empty when the file cannot be read.
  std::string& bytes() {
    if (bytes_.empty() && face_ != nullptr) {
      try {
        bytes_ = read_text_file(path_, kMaxFontBytes);
      } catch (const Error&) {
        FT_Done_Face(face_);
        face_ = nullptr;
      }
    }
    return bytes_;
  }

 private:
  std::filesystem::path path_;
  FT_Face face_ = nullptr;
  std::string bytes_;
};

std::vector<ImWchar> ranges_of(const std::set<char32_t>& characters) {
  std::vector<ImWchar> ranges;
  for (const char32_t c : characters) {
    const auto wide = static_cast<ImWchar>(c);
    if (!ranges.empty() && ranges.back() + 1 == wide) {
      ranges.back() = wide;
    } else {
      ranges.insert(ranges.end(), {wide, wide});
    }
  }
  ranges.push_back(0);
  return ranges;
}

/// Per face as kFaces. Set when fonts are opened, the same for every atlas of the process; 1.2 is what sans fonts have about.
std::array<double, 3>& line_ratios() {
  static std::array<double, 3> ratios{1.2, 1.2, 1.3};
  return ratios;
}

/// Characters that were to be drawn and are in no atlas yet: the next update() looks for them. The interface thread's.
std::set<char32_t>& missed_characters() {
  static std::set<char32_t> missed;
  return missed;
}

std::size_t index_of(FontFace face) {
  return static_cast<std::size_t>(std::find(kFaces.begin(), kFaces.end(), face) - kFaces.begin());
}

}  // namespace

struct ImGuiFonts::State {
  FT_Library library = nullptr;
  std::array<std::unique_ptr<FontFile>, 3> faces;  ///< as kFaces
  std::vector<std::unique_ptr<FontFile>> fallbacks;
  std::set<char32_t> basic = basic_characters();
  std::set<char32_t> extra;       ///< beyond the basic ones
  std::set<char32_t> considered;  ///< `extra` and what no font has
  double scale = 0;
  std::size_t text_hash = 0;
  std::vector<std::vector<ImWchar>> ranges;  ///< ImGui keeps pointers to them until the atlas is built

  State() {
    if (FT_Init_FreeType(&library) != 0) throw Error("FreeType could not be started; reinstall libfreetype");
    const FontFiles& files = font_files();
    const std::array<std::filesystem::path, 3> paths{files.sans, files.sans_medium.empty() ? files.sans : files.sans_medium,
                                                     files.mono};
    for (std::size_t i = 0; i < paths.size(); ++i)
      faces[i] = std::make_unique<FontFile>(library, paths[i]);
    for (const auto& path : files.fallbacks)
      fallbacks.push_back(std::make_unique<FontFile>(library, path));
  }
  ~State() {
    for (auto& face : faces)
      face.reset();
    fallbacks.clear();
    FT_Done_FreeType(library);
  }

  /// Faces, then fallbacks: the order in which fonts are asked, and in which they enter the atlas (the same in each process).
  FontFile& font(std::size_t index) { return index < faces.size() ? *faces[index] : *fallbacks[index - faces.size()]; }

  /// Index of the font that draws `c` for a face: its own, the sans, the mono, then the fallbacks.
  std::optional<std::size_t> font_for(char32_t c, std::size_t face) {
    for (const std::size_t i : {face, std::size_t{0}, std::size_t{2}}) {
      if (faces[i]->has(c)) return i;
    }
    for (std::size_t i = 0; i < fallbacks.size(); ++i) {
      if (fallbacks[i]->has(c)) return faces.size() + i;
    }
    return std::nullopt;
  }

  /// Nothing is to be done for it: it is in the atlas, or never will be.
  bool is_known(char32_t c) const { return c < 0xa0 || c > 0xffff || basic.contains(c) || considered.contains(c); }

  /// Whether a character came that is not in the atlas.
  bool take_characters(std::string_view text) {
    std::set<char32_t> wanted = std::exchange(missed_characters(), {});
    if (const std::size_t hash = std::hash<std::string_view>{}(text); hash != text_hash) {
      text_hash = hash;
      std::vector<bool> seen(0x10000);  // A long text has each of its letters many times.
      for (std::size_t at = 0; at < text.size() && wanted.size() < kMaxExtraCharacters;) {
        if (static_cast<unsigned char>(text[at]) < 0x80) {
          ++at;
          continue;
        }
        const CodePoint point = code_point_at(text, at);
        at += point.length;
        if (!point.is_valid || point.value >= seen.size() || seen[point.value]) continue;
        seen[point.value] = true;
        wanted.insert(point.value);
      }
    }
    std::erase_if(wanted, [&](char32_t c) { return is_known(c); });
    if (wanted.empty()) return false;
    if (considered.size() + wanted.size() > kMaxExtraCharacters) {
      considered.clear();  // A long life with many scripts: start again from what is on the screen.
      extra.clear();
    }
    bool has_more = false;
    for (const char32_t c : wanted) {
      if (considered.insert(c).second && font_for(c, 0).has_value()) has_more |= extra.insert(c).second;
    }
    return has_more;
  }

  void add_font(ImFontAtlas& atlas, std::size_t face, double size, bool with_extra) {
    std::map<std::size_t, std::set<char32_t>> by_font;
    const auto assign = [&](const std::set<char32_t>& characters) {
      for (const char32_t c : characters) {
        if (const auto index = font_for(c, face)) by_font[*index].insert(c);
      }
    };
    assign(basic);
    if (with_extra) assign(extra);

    std::vector<std::size_t> order{face};  // The face itself comes first: it decides the line's height.
    for (const auto& [index, characters] : by_font) {
      if (index != face) order.push_back(index);
    }
    ImFont* made = nullptr;
    for (const std::size_t index : order) {
      std::string& bytes = font(index).bytes();
      if (bytes.empty() || by_font[index].empty()) continue;
      ImFontConfig config;
      config.FontDataOwnedByAtlas = false;
      config.MergeMode = made != nullptr;
      config.OversampleH = scale < 1.75 ? 3 : 2;
      config.OversampleV = 1;
      config.PixelSnapH = false;
      ranges.push_back(ranges_of(by_font[index]));
      ImFont* added =
          atlas.AddFontFromMemoryTTF(bytes.data(), static_cast<int>(bytes.size()),
                                     static_cast<float>(size * scale * font(index).line_ratio()), &config, ranges.back().data());
      if (made == nullptr) made = added;
    }
    if (made == nullptr) {  // No font on this machine at all: ImGui brings a small one of its own.
      ImFontConfig config;
      config.SizePixels = static_cast<float>(std::round(size * scale));
      atlas.AddFontDefault(&config);
    }
  }

  void build(ImFontAtlas& atlas) {
    atlas.Clear();
    ranges.clear();
    // Size by size, so that the first fonts are the faces at the size of plain text. Room in the atlas is what scripts cost: the heading
    // and the medium face do without them.
    for (const double size : kSizes) {
      for (std::size_t face = 0; face < kFaces.size(); ++face) {
        const bool shows_tokens = kFaces[face] != FontFace::kSansMedium && size != kHeadingSize;
        add_font(atlas, face, size, shows_tokens || extra.size() <= 200);
      }
    }
#if IMGUI_VERSION_NUM < 19200
    atlas.TexDesiredWidth = extra.size() > 200 || scale > 1.5 ? 4096 : 0;
    atlas.Flags |= ImFontAtlasFlags_NoPowerOfTwoHeight;
    atlas.Build();
#endif
  }
};

ImGuiFonts::ImGuiFonts() : state_(std::make_unique<State>()) {}
ImGuiFonts::~ImGuiFonts() = default;

bool ImGuiFonts::update(double scale, std::string_view text, int max_texture) {
  State& state = *state_;
  const bool has_more = state.take_characters(text);
  ImFontAtlas& atlas = *ImGui::GetIO().Fonts;
  if (!has_more && state.scale == scale && !atlas.Fonts.empty()) return false;
  state.scale = scale;
  state.build(atlas);
#if IMGUI_VERSION_NUM < 19200  // Later atlases grow by themselves as letters are drawn.
  while ((atlas.TexWidth > max_texture || atlas.TexHeight > max_texture) && !state.extra.empty()) {
    // Half of the extra characters go, until it fits.
    auto middle = state.extra.begin();
    std::advance(middle, static_cast<std::ptrdiff_t>(state.extra.size() / 2));
    state.extra.erase(middle, state.extra.end());
    state.build(atlas);
  }
#else
  static_cast<void>(max_texture);
#endif
  ImGui::GetIO().FontDefault = atlas.Fonts[0];
  return true;
}

bool ImGuiFonts::has_missed() const {
  const std::set<char32_t>& missed = missed_characters();
  return std::any_of(missed.begin(), missed.end(), [&](char32_t c) { return !state_->is_known(c); });
}

ImFont* imgui_font(FontFace face, double size) {
  const ImFontAtlas& atlas = *ImGui::GetIO().Fonts;
  if (static_cast<std::size_t>(atlas.Fonts.Size) < kFaces.size() * kSizes.size()) return ImGui::GetFont();
  // The nearest size; of two, the larger one, which shrinks better than the other grows.
  std::size_t best = 0;
  const auto distance = [&](std::size_t i) { return std::abs(kSizes[i] - size) - (kSizes[i] > size ? 0.25 : 0); };
  for (std::size_t i = 1; i < kSizes.size(); ++i) {
    if (distance(i) < distance(best)) best = i;
  }
  return atlas.Fonts[static_cast<int>(best * kFaces.size() + index_of(face))];
}

float imgui_line_height(FontFace face, double size) { return static_cast<float>(size * line_ratios()[index_of(face)]); }

std::string imgui_drawable(std::string_view text, FontFace face) {
  ImFont* font = imgui_font(face, kTextSize);
  return drawable_text(text, [font](char32_t c) {
    if (c > 0xffff) return false;  // ImGui's characters have 16 bits.
#if IMGUI_VERSION_NUM < 19200
    if (font->FindGlyphNoFallback(static_cast<ImWchar>(c)) != nullptr) return true;
#else
    if (font->IsGlyphInFont(static_cast<ImWchar>(c))) return true;
#endif
    if (missed_characters().size() < kMaxExtraCharacters) missed_characters().insert(c);
    return false;
  });
}

namespace {

class ImGuiMeasurer : public TextMeasurer {
 public:
  double width(std::string_view text, FontFace face, double size) const override {
    ImFont* font = imgui_font(face, size);
    const float px = imgui_line_height(face, size);
    const bool is_ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (is_ascii) return font->CalcTextSizeA(px, 1e9F, 0, text.data(), text.data() + text.size()).x;
    const std::string drawable = imgui_drawable(text, face);
    return font->CalcTextSizeA(px, 1e9F, 0, drawable.data(), drawable.data() + drawable.size()).x;
  }
};

}  // namespace

std::unique_ptr<TextMeasurer> make_imgui_measurer() { return std::make_unique<ImGuiMeasurer>(); }

}  // namespace headroom
