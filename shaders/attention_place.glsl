// Which batch entry and head a work group computes, and where their rows lie. Needs attention_params.h and mask.glsl.

// No const float: not every compiler takes this for a constant expression.
#define kMinusInfinity uintBitsToFloat(0xff800000u)

struct Place {
  int batch;
  int slice_head;  // batch entry and head counted within the dispatch: a row block of scores
  int head;
  int q_at;        // vec4 of query 0
  int k_at;        // vec4 of key 0
  int v_at;
  int out_at;      // vec4 of query 0
};

Place place_of(int slice_active, int slice_batch) {
  Place place;
  place.batch = params.first_batch + slice_batch;
  place.slice_head = slice_batch * params.n_active + slice_active;
  int entry = params.heads_at + 2 * (params.first_active + slice_active);
  place.head = mask_word(entry);
  int kv_head = mask_word(entry + 1);
  place.q_at = params.q_at4 + place.batch * params.q_batch4 + place.head * params.q_head4;
  int kv_at = place.batch * params.kv_batch4 + kv_head * params.kv_head4;
  place.k_at = params.k_at4 + kv_at;
  place.v_at = params.v_at4 + kv_at;
  place.out_at = params.out_at4 + place.batch * params.out_batch4 + place.head * params.out_head4;
  return place;
}
