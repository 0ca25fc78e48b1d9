#include "app/painters/png.h"

#include <png.h>

#include <csetjmp>
#include <cstring>

#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kMaxSide = 16384;
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 31U;

bool is_side(int side) { return side >= 1 && side <= kMaxSide; }

/// Where libpng's callbacks keep their state; plain values only, because libpng leaves by longjmp.
struct Reader {
  const char* data = nullptr;
  std::size_t size = 0, at = 0;
};
struct Writer {
  std::string* bytes = nullptr;
};

[[noreturn]] void on_error(png_structp png, png_const_charp) { std::longjmp(png_jmpbuf(png), 1); }
void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, png_size_t n) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (n > reader->size - reader->at) png_error(png, "cut off");
  std::memcpy(out, reader->data + reader->at, n);
  reader->at += n;
}

void write_bytes(png_structp png, png_bytep data, png_size_t n) {
  auto* writer = static_cast<Writer*>(png_get_io_ptr(png));
  writer->bytes->append(static_cast<const char*>(static_cast<const void*>(data)), n);
}
void flush_bytes(png_structp) {}

bool write_image(png_structp png, png_infop info, const Image& image, const std::vector<png_bytep>& rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_compression_level(png, 6);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGBA,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_write_image(png, const_cast<png_bytepp>(rows.data()));
  png_write_end(png, info);
  return true;
}

bool read_header(png_structp png, png_infop info, Image& image) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_info(png, info);
  const png_uint_32 width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide) return false;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return png_get_rowbytes(png, info) == 4 * static_cast<png_size_t>(width);
}

bool read_rows(png_structp png, std::vector<png_bytep>& rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows.data());
  png_read_end(png, nullptr);
  return true;
}

std::vector<png_bytep> row_pointers(std::uint8_t* rgba, int width, int height) {
  std::vector<png_bytep> rows(static_cast<std::size_t>(height));
  for (std::size_t y = 0; y < rows.size(); ++y)
    rows[y] = rgba + y * static_cast<std::size_t>(width) * 4;
  return rows;
}

}  // namespace

std::string encode_png(const Image& image) {
  if (!is_side(image.width) || !is_side(image.height)) throw Error("a picture's side must be 1 to 16384 pixels");
  if (image.rgba.size() != static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 4) {
    throw ShapeError("a picture needs 4 bytes for each of its pixels");
  }
  std::string bytes;
  Writer writer{&bytes};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, on_error, on_warning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  if (info == nullptr) {
    png_destroy_write_struct(&png, nullptr);
    throw Error("libpng could not be started: there is not enough memory");
  }
  png_set_write_fn(png, &writer, write_bytes, flush_bytes);
  const std::vector<png_bytep> rows = row_pointers(const_cast<std::uint8_t*>(image.rgba.data()), image.width, image.height);
  const bool is_written = write_image(png, info, image, rows);
  png_destroy_write_struct(&png, &info);
  if (!is_written) throw Error("the picture could not be written as PNG: there is not enough memory");
  return bytes;
}

Image read_png(const std::filesystem::path& path) {
  const std::string bytes = read_text_file(path, kMaxFileBytes);
  static constexpr unsigned char kSignature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  if (bytes.size() < 8 || std::memcmp(bytes.data(), kSignature, 8) != 0) throw Error(path.string() + " is no PNG file");
  Reader reader{bytes.data(), bytes.size(), 0};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, on_error, on_warning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    throw Error("libpng could not be started: there is not enough memory");
  }
  png_set_read_fn(png, &reader, read_bytes);
  Image image;
  std::vector<png_bytep> rows;
  bool is_read = read_header(png, info, image);
  if (is_read) {
    image.rgba.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 4);
    rows = row_pointers(image.rgba.data(), image.width, image.height);
    is_read = read_rows(png, rows);
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (!is_read) throw Error(path.string() + " is damaged, or one of its sides is not within 1 to 16384 pixels");
  return image;
}

}  // namespace headroom
