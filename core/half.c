/* Floats of 16 bits. */
#include "half.h"

#include <math.h>
#include <string.h>

static float
bits_to_float (guint32 bits)
{
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

float
defcn_half_to_float (guint16 half)
{
  const guint32 sign = (guint32) (half & 0x8000) << 16;
  const int exponent = half >> 10 & 31, mantissa = half & 1023;

  if (exponent == 31)
    return bits_to_float (sign | 0x7f800000 | (guint32) mantissa << 13);
  if (exponent > 0)
    return bits_to_float (
        sign | (guint32) (exponent + 112) << 23 | (guint32) mantissa << 13);
  return (sign ? -1.0f : 1.0f) * ldexpf (mantissa, -24);
}

guint16
defcn_half_from_float (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  const guint16 sign = bits >> 16 & 0x8000;
  const float magnitude = fabsf (value);

  if (isnan (value))
    return sign | 0x7e00;
  if (magnitude >= 65520)
    return sign | 0x7c00;
  if (magnitude < 0x1p-14f) /* subnormal: steps of 2^-24 */
    return sign | (guint16) rintf (ldexpf (magnitude, 24));

  const guint32 rest = (bits & 0x7fffffff) - (112u << 23);
  return sign | (guint16) ((rest + 0xfff + (rest >> 13 & 1)) >> 13);
}

float
defcn_half_bfloat_to_float (guint16 bfloat)
{
  return bits_to_float ((guint32) bfloat << 16);
}

guint16
defcn_half_bfloat_from_float (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  if (value != value)
    return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
