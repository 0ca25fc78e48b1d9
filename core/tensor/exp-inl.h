// exp2 of a vector. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TENSOR_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TENSOR_EXP_INL_H_
#undef HEADROOM_CORE_TENSOR_EXP_INL_H_
#else
#define HEADROOM_CORE_TENSOR_EXP_INL_H_
#endif

#include <hwy/highway.h>

#undef HEADROOM_HAS_SCALEF
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#define HEADROOM_HAS_SCALEF 1
#else
#define HEADROOM_HAS_SCALEF 0
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

/// 2^x for x <= 0, the only exponents of a softmax whose maximum was taken off.
///
/// Accuracy  relative error at most 2.5e-7 down to x = -126, exactly 1 at 0, exactly 0 below -126 (and at -inf). NaN stays NaN.
/// Method    x = n + f with n the nearest integer; 2^f - 1 = f q(f), q minimax of degree 4 on [-1/2, 1/2] (error 9.2e-8, fitted by Lawson's
///           weighted least squares); 2^n from its exponent's bits, and multiplied, because adding them to those of p could hide a NaN.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V exp2_non_positive(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HEADROOM_HAS_SCALEF
  // Two instructions that AVX-512 has for this: what is left of the nearest integer, and the product with a power of two.
  const V f{_mm512_reduce_ps(x.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
#else
  const hn::RebindToSigned<D> di;
  const auto n = hn::NearestInt(x);
  const V f = hn::Sub(x, hn::ConvertTo(d, n));
#endif
  V p = hn::Set(d, 0.0013264727252614815F);
  p = hn::MulAdd(p, f, hn::Set(d, 0.009671512785777485F));
  p = hn::MulAdd(p, f, hn::Set(d, 0.05550733744471234F));
  p = hn::MulAdd(p, f, hn::Set(d, 0.2402224208311183F));
  p = hn::MulAdd(p, f, hn::Set(d, 0.6931469775976787F));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0F));
#if HEADROOM_HAS_SCALEF
  return V{_mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x.raw, hn::Set(d, -126.0F).raw, _CMP_NLT_UQ), p.raw, hn::Sub(x, f).raw)};
#else
  const V two_to_n = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -126.0F)), hn::Mul(p, two_to_n));
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
