/* Boxes relative to anchors, by hand. */
#include "anchors.h"

/* One square of 4 strides around every location. */
static void
test_fill (void)
{
  for (int level = 0; level < 5; level++) {
    DefcnAnchor a;

    defcn_anchors_fill (&a, 1, level);
    g_assert_true (a.x == 0 && a.y == 0);
    g_assert_cmpfloat (a.w, ==, 4 * (8 << level));
    g_assert_cmpfloat (a.h, ==, 4 * (8 << level));
  }
}

/* RetinaNet's nine: three sizes, of each a wide, a square and a high one,
 * around the corner of the cell. */
static void
test_nine (void)
{
  static const float sides[][2] = { { 45.2548f, 22.6274f }, { 32, 32 },
    { 22.6274f, 45.2548f }, { 57.0175f, 28.5088f }, { 40.3175f, 40.3175f },
    { 28.5088f, 57.0175f }, { 71.8376f, 35.9188f }, { 50.7968f, 50.7968f },
    { 35.9188f, 71.8376f } };
  DefcnAnchor anchors[9];

  for (int level = 0; level < 5; level++) {
    defcn_anchors_fill (anchors, 9, level);
    for (int i = 0; i < 9; i++) {
      const float unit = 1 << level;

      g_assert_cmpfloat (anchors[i].x, ==, -4 * unit);
      g_assert_cmpfloat (anchors[i].y, ==, -4 * unit);
      g_assert_cmpfloat_with_epsilon (anchors[i].w / unit, sides[i][0], 1e-4);
      g_assert_cmpfloat_with_epsilon (anchors[i].h / unit, sides[i][1], 1e-4);
    }
  }
  for (int n = -1; n < 12; n++)
    g_assert_cmpint (defcn_anchors_exist (n), ==, n == 1 || n == 9);
}

/* A box is found again from its code; of code 0 it is the anchor. */
static void
test_code (void)
{
  static const DefcnAnchor anchor = { -4, 6, 32, 16 };
  static const float boxes[][4] = { { 20, 2, 12, 14 }, { 1, 2, 3, 4 },
    { -100, 7, 300, 5 }, { 0, 0, 1e-3f, 1e3f } };
  float sides[4], code[4];

  defcn_anchors_decode (sides, (float[]){ 0, 0, 0, 0 }, &anchor);
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat (sides[i], ==, boxes[0][i]);
  for (gsize k = 0; k < G_N_ELEMENTS (boxes); k++) {
    defcn_anchors_encode (code, boxes[k], &anchor);
    defcn_anchors_decode (sides, code, &anchor);
    for (int i = 0; i < 4; i++)
      g_assert_cmpfloat_with_epsilon (sides[i], boxes[k][i], 1e-3);
  }
  defcn_anchors_encode (code, boxes[1], &anchor);
  g_assert_cmpfloat (code[0], ==, (1 + 4) / 32.0f);
  g_assert_cmpfloat (code[1], ==, (1 - 6) / 16.0f);
  g_assert_cmpfloat_with_epsilon (code[2], log (4 / 32.0), 1e-6);

  /* one without a size, or less, has a code all the same */
  defcn_anchors_encode (code, (float[]){ 5, -3, -5, 2 }, &anchor);
  g_assert_cmpfloat_with_epsilon (code[2], log (1e-6), 1e-4);
  g_assert_cmpfloat_with_epsilon (code[3], log (1e-6), 1e-4);
}

/* 62.5 anchors are the most, and no number stays none. */
static void
test_clamp (void)
{
  static const DefcnAnchor anchor = { 0, 0, 2, 4 };
  float sides[4];

  defcn_anchors_decode (sides, (float[]){ 0, 0, 5, INFINITY }, &anchor);
  g_assert_cmpfloat_with_epsilon (sides[0], 62.5, 1e-4);
  g_assert_cmpfloat_with_epsilon (sides[3], 125, 1e-4);
  defcn_anchors_decode (sides, (float[]){ 0, NAN, NAN, 0 }, &anchor);
  for (int i = 0; i < 4; i++)
    g_assert_true (isnan (sides[i]));
}

/* The gradient is the difference quotient; beyond the clamp 0, at it not. */
static void
test_slope (void)
{
  static const DefcnAnchor anchor = { 3, -1, 32, 16 };
  static const float dsides[] = { 1, -2, 0.5f, 3 };
  float code[] = { 0.25f, -0.5f, 0.5f, -1 }, sides[4], dcode[4];

  defcn_anchors_decode (sides, code, &anchor);
  defcn_anchors_slope (dcode, dsides, sides, code, &anchor);
  for (int k = 0; k < 4; k++) {
    const float step = 1 / 64.0f;
    double sum = 0;

    for (int sign = -1; sign <= 1; sign += 2) {
      float moved[4], to[4] = { code[0], code[1], code[2], code[3] };

      to[k] += sign * step;
      defcn_anchors_decode (moved, to, &anchor);
      for (int i = 0; i < 4; i++)
        sum += sign * moved[i] * dsides[i];
    }
    g_assert_cmpfloat_with_epsilon (dcode[k], sum / (2 * step), 1e-2);
  }
  code[2] = DEFCN_ANCHORS_CLAMP;
  code[3] = 4.25f;
  defcn_anchors_decode (sides, code, &anchor);
  defcn_anchors_slope (dcode, dsides, sides, code, &anchor);
  g_assert_cmpfloat (dcode[2], >, 1000);
  g_assert_cmpfloat (dcode[3], ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/anchors/fill", test_fill);
  g_test_add_func ("/anchors/nine", test_nine);
  g_test_add_func ("/anchors/code", test_code);
  g_test_add_func ("/anchors/clamp", test_clamp);
  g_test_add_func ("/anchors/slope", test_slope);
  return g_test_run ();
}
