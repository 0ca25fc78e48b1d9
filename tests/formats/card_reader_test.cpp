#include "core/formats/card_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_files::message_of;

ModelCard card_of(const std::string& json) { return read_card_text(json, "config.json"); }
std::string error_of(const std::string& json) {
  return message_of([&] { card_of(json); });
}

/// A LLaMA configuration with one member more (which wins over an earlier one of the same name only by being the last: so none repeats).
std::string llama(const std::string& more, const std::string& heads = R"("num_attention_heads": 8)") {
  return R"({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 128, "vocab_size": 100,
             "max_position_embeddings": 256, )" +
         heads + (more.empty() ? "" : ", " + more) + "}";
}

TEST(CardReader, ReadsALlama) {
  const ModelCard card = card_of(llama(R"("num_key_value_heads": 2, "torch_dtype": "bfloat16")"));
  EXPECT_EQ(card.family, "llama");
  EXPECT_EQ(card.kind, CardKind::kDecoder);
  EXPECT_EQ(card.d_head, 8);
  EXPECT_EQ(card.decoder.n_kv_heads, 2);
  EXPECT_EQ(card.context, 256);
  EXPECT_EQ(card.stored, "bfloat16");
  EXPECT_THAT(card.missing, IsEmpty());
  EXPECT_EQ(card.not_run, "");
}

TEST(CardReader, BothSpellingsOfAField) {
  const ModelCard card = card_of(R"({"model_type": "gpt2", "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 3,
                                     "max_position_embeddings": 40, "vocab_size": 50})");
  EXPECT_EQ(card.d_model, 96);
  EXPECT_EQ(card.d_head, 32);
  EXPECT_EQ(card.block->position_rows, 40);
  EXPECT_THAT(error_of(R"({"model_type": "gpt2", "hidden_size": 96, "n_embd": 64})"),
              AllOf(HasSubstr("config.json"), HasSubstr("hidden_size and n_embd mean the same, but differ")));
}

// The rows below are hostile configurations, numbered as the project's list of them is.

TEST(CardReaderHostile, C1NoJsonAtAll) {
  EXPECT_THAT(error_of("hello"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of(""), HasSubstr("config.json"));
  EXPECT_THAT(error_of("[1, 2]"), HasSubstr("must be an object, but it is"));
  EXPECT_THAT(error_of(std::string((8u << 20) + 1, ' ')), HasSubstr("where at most 8388608 are read"));
  const testing_files::TemporaryFolder folder;
  EXPECT_THAT(message_of([&] { read_card_file(folder / "none.json"); }), HasSubstr("none.json"));
  EXPECT_THAT(message_of([&] { read_card_file(folder.file("config.json", std::string((8u << 20) + 1, ' '))); }),
              HasSubstr("config.json"));
}

TEST(CardReaderHostile, C2HeadsThatDoNotFit) {
  EXPECT_THAT(error_of(llama("", R"("num_attention_heads": 0)")), HasSubstr("num_attention_heads is 0"));
  EXPECT_THAT(error_of(llama("", R"("num_attention_heads": 7)")),
              AllOf(HasSubstr("hidden_size"), HasSubstr("num_attention_heads")));
  EXPECT_THAT(error_of(llama(R"("num_key_value_heads": 0)")), HasSubstr("num_key_value_heads is 0"));
  EXPECT_THAT(error_of(llama(R"("num_key_value_heads": 3)")),
              HasSubstr("num_key_value_heads (3) does not divide num_attention_heads (8)"));
}

TEST(CardReaderHostile, C3NumbersThatAreNone) {
  for (const char* value : {"-8", "8.5", "\"8\"", "true", "4294967296", "1e30", "[8]", "{}"})
    EXPECT_THAT(error_of(llama("", std::string(R"("num_attention_heads": )") + value)), HasSubstr("num_attention_heads is"))
        << value;
  EXPECT_EQ(card_of(llama(R"("num_key_value_heads": null)")).decoder.n_kv_heads, 8);  // null is absent
  EXPECT_THAT(error_of(llama(R"("tie_word_embeddings": "yes")")), HasSubstr("tie_word_embeddings"));
  EXPECT_THAT(error_of(R"({"model_type": 7})"), HasSubstr("model_type is"));
  EXPECT_THAT(error_of(R"({"architectures": "LlamaModel"})"), HasSubstr("architectures is"));
}

TEST(CardReaderHostile, C4SizesBeyondAnyModel) {
  EXPECT_THAT(error_of(R"({"model_type": "llama", "num_hidden_layers": 2000000000})"), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(error_of(R"({"model_type": "llama", "vocab_size": 9223372036854775808})"), HasSubstr("vocab_size"));
}

TEST(CardReaderHostile, C7HeadsNeedNotFillTheWidth) {
  const ModelCard card = card_of(llama(R"("head_dim": 32)"));
  EXPECT_EQ(card.d_head, 32);
  EXPECT_TRUE(card.tells_d_head);
  EXPECT_EQ(count_parameters(card).find(CardPart::kOutProjection)->n, 4 * 64 * 8 * 32);
  EXPECT_EQ(card_of(R"({"model_type": "gemma", "hidden_size": 64, "num_attention_heads": 16})").d_head, 256);
}

TEST(CardReaderHostile, C8RotaryNeedsPairs) {
  EXPECT_THAT(error_of(llama(R"("head_dim": 7)")), HasSubstr("an odd number"));
  for (const char* part : {"1.5", "-1", "0", "\"x\""})
    EXPECT_THAT(error_of(llama(std::string(R"("rotary_pct": )") + part)), HasSubstr("rotary_pct is")) << part;
  EXPECT_EQ(card_of(llama(R"("rotary_pct": 0.5)")).d_head, 8);
}

TEST(CardReaderHostile, C9RotaryScaling) {
  EXPECT_THAT(card_of(llama(R"("rope_scaling": null)")).notices, IsEmpty());
  EXPECT_THAT(card_of(llama(R"("rope_scaling": {})")).notices, IsEmpty());
  EXPECT_THAT(card_of(llama(R"("rope_scaling": {"rope_type": "wobble", "factor": 2})")).notices,
              Contains(AllOf(HasSubstr("\"wobble\""), HasSubstr("cannot be computed"))));
  EXPECT_THAT(error_of(llama(R"("rope_scaling": {"type": "linear"})")), HasSubstr("rope_scaling.factor is missing"));
  EXPECT_THAT(error_of(llama(R"("rope_scaling": {"type": "yarn", "factor": 0})")), HasSubstr("rope_scaling.factor is 0"));
  EXPECT_THAT(error_of(llama(R"("rope_scaling": {"type": "linear", "factor": NaN})")), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of(llama(R"("rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1, 1, 1]})")),
              HasSubstr("short_factor holds 6 numbers"));
  EXPECT_THAT(error_of(llama(R"("rope_scaling": [])")), HasSubstr("where an object is needed"));
}

TEST(CardReaderHostile, C10RotaryForEachKindOfLayer) {
  const std::string types = R"("layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"])";
  EXPECT_THAT(
      card_of(
          llama(
              types +
              R"(, "rope_parameters": {"full_attention": {"rope_theta": 1000000.0}, "sliding_attention": {"rope_theta": 10000.0}})"))
          .notices,
      IsEmpty());
  EXPECT_THAT(error_of(llama(R"("rope_parameters": {"full_attention": {"rope_type": "linear"}})")),
              HasSubstr("rope_parameters.full_attention.factor is missing"));
  EXPECT_THAT(error_of(llama(R"("layer_types": ["full_attention"])")), HasSubstr("layer_types names 1 layers, but there are 4"));
  EXPECT_THAT(error_of(llama(R"("layer_types": "full")")), HasSubstr("where a list is needed"));
}

TEST(CardReaderHostile, C11Windows) {
  const auto mistral = [](const std::string& window) {
    return R"({"model_type": "mistral", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8)" + window + "}";
  };
  EXPECT_THAT(error_of(mistral(R"(, "sliding_window": 0)")), HasSubstr("sliding_window is 0"));
  EXPECT_THAT(error_of(mistral(R"(, "sliding_window": -5)")), HasSubstr("sliding_window is"));
  EXPECT_THAT(card_of(mistral(R"(, "sliding_window": null)")).decoder.windows, IsEmpty());
  EXPECT_EQ(card_of(mistral(R"(, "sliding_window": 1000000)")).decoder.windows, std::vector<std::int64_t>(2, 1000000));
  EXPECT_EQ(card_of(mistral("")).decoder.windows, std::vector<std::int64_t>(2, 4096));  // the family's own
}

TEST(CardReaderHostile, C12SmallNumbersInNorms) {
  for (const char* eps : {"0", "-1e-6", "1e-400", "2"})
    EXPECT_THAT(error_of(llama(std::string(R"("rms_norm_eps": )") + eps)), HasSubstr("rms_norm_eps is")) << eps;
}

TEST(CardReaderHostile, C13UnknownFamiliesTellWhatTheyCan) {
  const ModelCard card =
      card_of(R"({"model_type": "frobnicator", "architectures": ["FrobnicatorForCausalLM"], "n_embd": 64, "n_layer": 4,
                                     "n_head": 8, "num_kv_heads": 2, "vocab_size": 100, "ffn_dim": 256})");
  EXPECT_EQ(card.kind, CardKind::kDecoder);
  EXPECT_EQ(card.d_head, 8);
  EXPECT_EQ(sharing_text(card.decoder), "grouped: 4 query heads read one K/V head");
  EXPECT_EQ(card_cache(card, KvType::kFloat16, 1)->bytes_per_token, 2 * 4 * 2 * 8 * 2);
  EXPECT_EQ(count_parameters(card).total, std::nullopt);
  EXPECT_THAT(card.missing, Contains(AllOf(HasSubstr("\"frobnicator\" is not known"), HasSubstr("cannot be counted exactly"))));
  EXPECT_THAT(card_of("{}").missing, Contains(HasSubstr("model_type is missing")));
  EXPECT_THAT(card_of("{}").missing, Contains(HasSubstr("(hidden_size) is missing")));
  EXPECT_THAT(card_of(llama(R"("auto_map": {"AutoModel": "modeling_x.X"})")).not_run,
              HasSubstr("Python code of its own, which is never run"));
}

TEST(CardReaderHostile, C14QuantisedCheckpointsAreNamed) {
  const ModelCard card = card_of(llama(R"("quantization_config": {"quant_method": "gptq", "bits": 4})"));
  EXPECT_THAT(card.not_run, AllOf(HasSubstr("quantised"), HasSubstr("\"gptq\", 4 bits")));
  EXPECT_EQ(card.d_head, 8);
  EXPECT_NE(card_of(llama(R"("quantization_config": 7)")).not_run, "");
}

TEST(CardReaderHostile, C15DuplicateNames) {
  const ModelCard card = card_of(R"({"hidden_size": 32, "hidden_size": 64})");
  EXPECT_EQ(card.d_model, 64);
  EXPECT_THAT(card.notices, Contains(AllOf(HasSubstr("\"hidden_size\""), HasSubstr("twice; the last one counts"))));
}

TEST(CardReaderHostile, C18LanguageModelsInside) {
  const ModelCard card = card_of(R"({"model_type": "see_and_tell", "text_config": )" + llama("") + "}");
  EXPECT_EQ(card.family, "llama");
  EXPECT_EQ(card.d_model, 64);
  EXPECT_THAT(card.notices, Contains(HasSubstr("text_config")));
  // Gone into once: what lies deeper is missing, not looked for.
  EXPECT_EQ(card_of(R"({"text_config": {"text_config": )" + llama("") + "}}").d_model, std::nullopt);
  EXPECT_THAT(error_of(R"({"a": )" + std::string(100000, '[')), HasSubstr("nested deeper"));
}

TEST(CardReaderHostile, C19UnknownActivation) {
  const ModelCard card = card_of(llama(R"("hidden_act": "quick_gelu_x")"));
  EXPECT_THAT(card.notices, Contains(HasSubstr("\"quick_gelu_x\" is not known")));
  EXPECT_TRUE(count_parameters(card).total.has_value());
}

TEST(CardReader, WhatSharesNoKeyOrValueIsNotGuessed) {
  const ModelCard latent = card_of(R"({"model_type": "deep", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 8,
                                       "kv_lora_rank": 16, "qk_nope_head_dim": 4})");
  EXPECT_EQ(latent.d_head, std::nullopt);
  EXPECT_FALSE(card_cache(latent, KvType::kFloat16, 1));
  EXPECT_THAT(latent.missing, Contains(HasSubstr("latent")));
  const ModelCard mixed = card_of(R"({"model_type": "mix", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8,
                                      "layer_types": ["full_attention", "linear_attention"]})");
  EXPECT_FALSE(card_cache(mixed, KvType::kFloat16, 1));
  EXPECT_THAT(mixed.missing, Contains(HasSubstr("\"linear_attention\"")));
}

TEST(CardReader, ArchitecturesStandInForTheFamily) {
  EXPECT_EQ(card_of(R"({"architectures": ["LlamaForCausalLM"]})").family, "llama");
  EXPECT_EQ(card_of(R"({"architectures": ["GPT2LMHeadModel"]})").family, "gpt2");
  EXPECT_EQ(card_of(R"({"architectures": ["LlamazingForCausalLM"]})").family, "");
}

TEST(CardReader, ControlCharactersNeverReachTheScreen) {
  const ModelCard card = card_of("{\"model_type\": \"a\\u001b[31m\\u202eb\"}");
  for (const std::string& sentence : card.missing)
    EXPECT_EQ(sentence.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace headroom
