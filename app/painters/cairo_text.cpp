#include "app/painters/cairo_text.h"

#include <cairo-ft.h>
#include <ft2build.h>
#include FT_FREETYPE_H

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/painters/drawable_text.h"
#include "app/painters/fonts.h"

namespace headroom {
namespace {

/// One font file, opened when it is first asked.
class Font {
 public:
  explicit Font(std::filesystem::path path) : path_(std::move(path)) {}

  struct Glyph {
    unsigned index = 0;  ///< 0: not in this font
    double advance = 0;  ///< in ems
  };
  Glyph glyph(FT_Library library, char32_t c) {
    open(library);
    if (face_ == nullptr) return {};
    const auto known = glyphs_.find(c);
    if (known != glyphs_.end()) return known->second;
    Glyph glyph{FT_Get_Char_Index(face_, c), 0};
    if (glyph.index != 0 && FT_Load_Glyph(face_, glyph.index, FT_LOAD_NO_SCALE) == 0) {
      glyph.advance = static_cast<double>(face_->glyph->metrics.horiAdvance) / face_->units_per_EM;
    }
    return glyphs_.emplace(c, glyph).first->second;
  }
  cairo_font_face_t* cairo_face(FT_Library library) {
    open(library);
    if (cairo_face_ == nullptr && face_ != nullptr) cairo_face_ = cairo_ft_font_face_create_for_ft_face(face_, FT_LOAD_NO_HINTING);
    return cairo_face_;
  }
  /// From the middle of a line down to its baseline, in ems: the middle lies between the ascent and the descent.
  double baseline(FT_Library library) {
    open(library);
    if (face_ == nullptr || face_->units_per_EM == 0) return 0.36;
    return static_cast<double>(face_->ascender + face_->descender) / 2 / face_->units_per_EM;
  }

 private:
  void open(FT_Library library) {
    if (is_opened_) return;
    is_opened_ = true;
    if (path_.empty() || FT_New_Face(library, path_.c_str(), 0, &face_) != 0) face_ = nullptr;
    if (face_ != nullptr && !FT_IS_SCALABLE(face_)) {
      FT_Done_Face(face_);
      face_ = nullptr;
    }
  }

  std::filesystem::path path_;
  bool is_opened_ = false;
  FT_Face face_ = nullptr;
  cairo_font_face_t* cairo_face_ = nullptr;
  std::unordered_map<char32_t, Glyph> glyphs_;
};

class Fonts {
 public:
  Fonts() {
    if (FT_Init_FreeType(&library_) != 0) library_ = nullptr;
    const FontFiles& files = font_files();
    for (const auto& path : {files.sans, files.sans_medium, files.mono})
      fonts_.push_back(std::make_unique<Font>(path));
    for (const auto& path : files.fallbacks)
      fonts_.push_back(std::make_unique<Font>(path));
  }

  struct Found {
    Font* font = nullptr;
    Font::Glyph glyph;
  };
  /// The face itself, then the sans, then the fallbacks; no font when none has the character.
  Found find(char32_t c, FontFace face) {
    if (library_ == nullptr) return {};
    Font* own = &font(face);
    if (const Font::Glyph glyph = own->glyph(library_, c); glyph.index != 0) return {own, glyph};
    const auto known = fallback_of_.find(c);
    if (known != fallback_of_.end()) return known->second;
    Found found;
    for (const auto& candidate : fonts_) {
      const Font::Glyph glyph = candidate->glyph(library_, c);
      if (glyph.index == 0) continue;
      found = {candidate.get(), glyph};
      break;
    }
    fallback_of_.emplace(c, found);
    return found;
  }
  Font& font(FontFace face) { return *fonts_[static_cast<std::size_t>(face)]; }
  FT_Library library() const { return library_; }

 private:
  FT_Library library_ = nullptr;
  std::vector<std::unique_ptr<Font>> fonts_;
  std::unordered_map<char32_t, Found> fallback_of_;
};

/// Lives as long as the process: Cairo's own caches hold on to the faces until then.
Fonts& fonts() {
  static Fonts& instance = *new Fonts;
  return instance;
}

/// The text with what no font has written as its code point.
std::string drawable(std::string_view text, FontFace face) {
  return drawable_text(text, [face](char32_t c) { return fonts().find(c, face).font != nullptr; });
}

/// Glyphs of one font after another.
struct Run {
  Font* font = nullptr;
  std::vector<cairo_glyph_t> glyphs;
  std::vector<cairo_text_cluster_t> clusters;
  std::string text;
};

std::vector<Run> shape(std::string_view text, FontFace face, double size) {
  std::vector<Run> runs;
  double x = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const Fonts::Found found = fonts().find(point.value, face);
    if (found.font != nullptr) {
      if (runs.empty() || runs.back().font != found.font) runs.push_back({found.font, {}, {}, {}});
      Run& run = runs.back();
      run.glyphs.push_back({found.glyph.index, x, 0});
      run.clusters.push_back({static_cast<int>(point.length), 1});
      run.text += text.substr(at, point.length);
      x += found.glyph.advance * size;
    }
    at += point.length;
  }
  return runs;
}

}  // namespace

std::mutex& cairo_font_mutex() {
  static std::mutex mutex;
  return mutex;
}

double text_width(std::string_view text, FontFace face, double size) {
  const std::string shown = drawable(text, face);
  double width = 0;
  for (std::size_t at = 0; at < shown.size();) {
    const CodePoint point = code_point_at(shown, at);
    width += fonts().find(point.value, face).glyph.advance;
    at += point.length;
  }
  return width * size;
}

void show_text(cairo_t* cairo, std::string_view text, FontFace face, double size) {
  Fonts& all = fonts();
  const double baseline = all.font(face).baseline(all.library()) * size;
  cairo_set_font_size(cairo, size);
  for (Run& run : shape(drawable(text, face), face, size)) {
    cairo_font_face_t* cairo_face = run.font->cairo_face(all.library());
    if (cairo_face == nullptr) continue;
    for (cairo_glyph_t& glyph : run.glyphs)
      glyph.y = baseline;
    cairo_set_font_face(cairo, cairo_face);
    if (cairo_surface_get_type(cairo_get_target(cairo)) == CAIRO_SURFACE_TYPE_IMAGE) {
      // As outlines: the image surface would move every glyph to a whole pixel, which spaces small text unevenly.
      cairo_glyph_path(cairo, run.glyphs.data(), static_cast<int>(run.glyphs.size()));
      cairo_fill(cairo);
      continue;
    }
    cairo_show_text_glyphs(cairo, run.text.data(), static_cast<int>(run.text.size()), run.glyphs.data(),
                           static_cast<int>(run.glyphs.size()), run.clusters.data(), static_cast<int>(run.clusters.size()),
                           static_cast<cairo_text_cluster_flags_t>(0));
  }
}

}  // namespace headroom
