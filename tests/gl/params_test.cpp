// The blocks of shaders/*_params.h must lie in memory as the driver lays them out: its offsets are compared with the compiler's.
#include <epoxy/gl.h>

#include "core/gl/program.h"
#include "shaders/attention_params.h"
#include "shaders/projection_params.h"
#include "shaders/rotary_params.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

struct Field {
  const char* name;
  std::size_t offset;
};
#define HEADROOM_FIELD(block, field) \
  Field { #block "." #field, offsetof(block, field) }

/// Uses every field, so that none is optimised away.
std::string shader_reading(const std::string& include, const std::string& instance, const std::vector<Field>& fields) {
  std::string text =
      "#version 430 core\n#include \"" + include +
      "\"\nlayout(local_size_x = 1) in;\nlayout(std430, binding = 0) buffer B { float o; };\nvoid main() {\n  o = 0.0;\n";
  for (const Field& field : fields) {
    const std::string name = field.name;
    text += "  o += float(" + instance + name.substr(name.find('.')) + ");\n";
  }
  return text + "}\n";
}

void expect_layout(const std::string& text, const std::vector<Field>& fields, std::size_t size) {
  const Program program = Program::compute(expand_shader("layout.comp", text));
  for (const Field& field : fields) {
    GLuint index = GL_INVALID_INDEX;
    glGetUniformIndices(program.id(), 1, &field.name, &index);
    ASSERT_NE(index, GL_INVALID_INDEX) << field.name;
    GLint offset = -1;
    glGetActiveUniformsiv(program.id(), 1, &index, GL_UNIFORM_OFFSET, &offset);
    EXPECT_TRUE(std::cmp_equal(offset, field.offset)) << field.name << ": driver " << offset << ", compiler " << field.offset;
  }
  GLint n_fields = 0;
  glGetProgramiv(program.id(), GL_ACTIVE_UNIFORMS, &n_fields);
  EXPECT_TRUE(std::cmp_equal(n_fields, fields.size())) << "a field is missing from this test";
  GLint bytes = 0;
  glGetActiveUniformBlockiv(program.id(), 0, GL_UNIFORM_BLOCK_DATA_SIZE, &bytes);
  EXPECT_TRUE(std::cmp_equal(bytes, size));
}

class ParamsTest : public GlTest {};

TEST_F(ParamsTest, AttentionParams) {
  const std::vector<Field> fields = {HEADROOM_FIELD(AttentionParams, seq_q),
                                     HEADROOM_FIELD(AttentionParams, seq_k),
                                     HEADROOM_FIELD(AttentionParams, d4),
                                     HEADROOM_FIELD(AttentionParams, n_heads),
                                     HEADROOM_FIELD(AttentionParams, first_batch),
                                     HEADROOM_FIELD(AttentionParams, first_active),
                                     HEADROOM_FIELD(AttentionParams, n_active),
                                     HEADROOM_FIELD(AttentionParams, first_query),
                                     HEADROOM_FIELD(AttentionParams, end_query),
                                     HEADROOM_FIELD(AttentionParams, slab_query),
                                     HEADROOM_FIELD(AttentionParams, slab_queries),
                                     HEADROOM_FIELD(AttentionParams, row4),
                                     HEADROOM_FIELD(AttentionParams, q_at4),
                                     HEADROOM_FIELD(AttentionParams, q_batch4),
                                     HEADROOM_FIELD(AttentionParams, q_head4),
                                     HEADROOM_FIELD(AttentionParams, q_row4),
                                     HEADROOM_FIELD(AttentionParams, k_at4),
                                     HEADROOM_FIELD(AttentionParams, v_at4),
                                     HEADROOM_FIELD(AttentionParams, kv_batch4),
                                     HEADROOM_FIELD(AttentionParams, kv_head4),
                                     HEADROOM_FIELD(AttentionParams, kv_row4),
                                     HEADROOM_FIELD(AttentionParams, out_at4),
                                     HEADROOM_FIELD(AttentionParams, out_batch4),
                                     HEADROOM_FIELD(AttentionParams, out_head4),
                                     HEADROOM_FIELD(AttentionParams, out_row4),
                                     HEADROOM_FIELD(AttentionParams, scale),
                                     HEADROOM_FIELD(AttentionParams, is_causal),
                                     HEADROOM_FIELD(AttentionParams, query_offset),
                                     HEADROOM_FIELD(AttentionParams, window),
                                     HEADROOM_FIELD(AttentionParams, stride),
                                     HEADROOM_FIELD(AttentionParams, n_global),
                                     HEADROOM_FIELD(AttentionParams, block),
                                     HEADROOM_FIELD(AttentionParams, first_query_block),
                                     HEADROOM_FIELD(AttentionParams, block_row_words),
                                     HEADROOM_FIELD(AttentionParams, heads_at),
                                     HEADROOM_FIELD(AttentionParams, key_lengths_at),
                                     HEADROOM_FIELD(AttentionParams, query_bucket_at),
                                     HEADROOM_FIELD(AttentionParams, key_bucket_at),
                                     HEADROOM_FIELD(AttentionParams, blocks_at),
                                     HEADROOM_FIELD(AttentionParams, dropout_seed),
                                     HEADROOM_FIELD(AttentionParams, dropout_threshold),
                                     HEADROOM_FIELD(AttentionParams, kept_factor),
                                     HEADROOM_FIELD(AttentionParams, unused_0),
                                     HEADROOM_FIELD(AttentionParams, unused_1)};
  expect_layout(shader_reading("attention_params.h", "params", fields), fields, sizeof(AttentionParams));
}

TEST_F(ParamsTest, ProjectionParams) {
  const std::vector<Field> fields = {HEADROOM_FIELD(ProjectionParams, first_row), HEADROOM_FIELD(ProjectionParams, end_row),
                                     HEADROOM_FIELD(ProjectionParams, d_in4), HEADROOM_FIELD(ProjectionParams, cols4)};
  expect_layout(shader_reading("projection_params.h", "projection", fields), fields, sizeof(ProjectionParams));
}

TEST_F(ParamsTest, RotaryParams) {
  const std::vector<Field> fields = {HEADROOM_FIELD(RotaryParams, first_row),  HEADROOM_FIELD(RotaryParams, n_rows),
                                     HEADROOM_FIELD(RotaryParams, n_heads),    HEADROOM_FIELD(RotaryParams, half_width),
                                     HEADROOM_FIELD(RotaryParams, head_width), HEADROOM_FIELD(RotaryParams, row_width),
                                     HEADROOM_FIELD(RotaryParams, unused_0),   HEADROOM_FIELD(RotaryParams, unused_1)};
  expect_layout(shader_reading("rotary_params.h", "rotary", fields), fields, sizeof(RotaryParams));
}

}  // namespace
}  // namespace headroom::gl
