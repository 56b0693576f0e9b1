/* The motion of a box: time is time, however it is cut, and the filter is
 * Kalman's. */
#include "motion.h"

#include <math.h>

static DefcnBox
box_at (double x, double y, double w, double h)
{
  return (DefcnBox){ (float) (x - w / 2), (float) (y - h / 2),
    (float) (x + w / 2), (float) (y + h / 2), 0.5f, 0 };
}

static void
assert_near (double a, double b, double tolerance)
{
  g_assert_cmpfloat_with_epsilon (a, b, tolerance * (1 + fabs (b)));
}

/* One step of 1.3 s is the same as 13 of .1 s, covariance too. */
static void
test_time (void)
{
  const DefcnBox first = box_at (100, 50, 40, 90);
  const DefcnBox second = box_at (112, 47, 42, 88);
  DefcnMotion one, many;

  defcn_motion_init (&one, &first);
  defcn_motion_predict (&one, 0.2);
  defcn_motion_update (&one, &second);
  many = one;
  defcn_motion_predict (&one, 1.3);
  for (int i = 0; i < 13; i++)
    defcn_motion_predict (&many, 0.1);
  assert_near (many.x.x, one.x.x, 1e-12);
  assert_near (many.x.xx, one.x.xx, 1e-9);
  assert_near (many.x.xv, one.x.xv, 1e-9);
  assert_near (many.x.vv, one.x.vv, 1e-9);
  assert_near (many.y.x, one.y.x, 1e-12);
  assert_near (many.ww, one.ww, 1e-9);
  assert_near (defcn_motion_spread (&many), defcn_motion_spread (&one), 1e-9);
}

/* At once nothing moves and nothing gets less sure. */
static void
test_no_time (void)
{
  const DefcnBox first = box_at (100, 50, 40, 90);
  DefcnMotion before, after;

  defcn_motion_init (&before, &first);
  after = before;
  defcn_motion_predict (&after, 0);
  g_assert_cmpmem (&before, sizeof before, &after, sizeof after);
}

/* A step and an update by the textbook: P = F P F' + Q, K = P H' / S, with
 * matrices. */
static void
test_textbook (void)
{
  const double t = 0.25, h = 90, noise = h * h / 400;
  const double q1 = 30 * noise, q2 = 30 * (h * 30 / 160) * (h * 30 / 160);
  const DefcnBox first = box_at (100, 50, 40, h);
  const DefcnBox second = box_at (120, 50, 40, h);
  double p[2][2] = { { 4 * noise, 0 }, { 0, 100 * q2 / 30 } };
  const double f[2][2] = { { 1, t }, { 0, 1 } };
  const double q[2][2] = { { q1 * t + q2 * t * t * t / 3, q2 * t * t / 2 },
    { q2 * t * t / 2, q2 * t } };
  double fp[2][2] = { { 0 } }, next[2][2] = { { 0 } };
  DefcnMotion m;

  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++)
      for (int k = 0; k < 2; k++)
        fp[i][j] += f[i][k] * p[k][j];
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++) {
      for (int k = 0; k < 2; k++)
        next[i][j] += fp[i][k] * f[j][k];
      next[i][j] += q[i][j];
    }
  const double s = next[0][0] + noise;
  const double gain = next[0][0] / s, gain_v = next[1][0] / s;

  defcn_motion_init (&m, &first);
  defcn_motion_predict (&m, t);
  assert_near (m.x.xx, next[0][0], 1e-12);
  assert_near (m.x.xv, next[0][1], 1e-12);
  assert_near (m.x.vv, next[1][1], 1e-12);
  defcn_motion_update (&m, &second);
  assert_near (m.x.x, 100 + gain * 20, 1e-9);
  assert_near (m.x.v, gain_v * 20, 1e-9);
  assert_near (m.x.xx, (1 - gain) * next[0][0], 1e-9);
  assert_near (m.x.xv, (1 - gain) * next[0][1], 1e-9);
  assert_near (m.x.vv, next[1][1] - gain_v * next[0][1], 1e-9);
}

/* Steps of any length: after a few of them the velocity is known, and a box is
 * found where it is going to be. */
static void
test_constant_velocity (void)
{
  const double at[] = { 0, 0.04, 0.2, 0.24, 0.5, 1.3, 1.34, 1.9, 2.2, 3 };
  DefcnMotion m;
  DefcnBox box = box_at (300, 200, 40, 100), now;

  defcn_motion_init (&m, &box);
  for (guint i = 1; i < G_N_ELEMENTS (at); i++) {
    box = box_at (300 + 60 * at[i], 200 - 25 * at[i], 40, 100);
    defcn_motion_predict (&m, at[i] - at[i - 1]);
    defcn_motion_update (&m, &box);
  }
  g_assert_cmpfloat_with_epsilon (m.x.v, 60, 1.5);
  g_assert_cmpfloat_with_epsilon (m.y.v, -25, 1.5);
  defcn_motion_predict (&m, 1);
  defcn_motion_box (&m, &now);
  box = box_at (300 + 60 * 4, 200 - 25 * 4, 40, 100);
  g_assert_cmpfloat (defcn_box_iou (&now, &box), >, 0.9);
}

/* The size follows what is found and does not run on. */
static void
test_size (void)
{
  DefcnBox box = box_at (300, 200, 40, 100);
  DefcnMotion m;

  defcn_motion_init (&m, &box);
  for (int i = 0; i < 30; i++) {
    box = box_at (300, 200, 60, 120);
    defcn_motion_predict (&m, 0.04);
    defcn_motion_update (&m, &box);
  }
  g_assert_cmpfloat_with_epsilon (m.w, 60, 0.1);
  g_assert_cmpfloat_with_epsilon (m.h, 120, 0.1);
  defcn_motion_predict (&m, 10);
  g_assert_cmpfloat_with_epsilon (m.h, 120, 0.1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/motion/time", test_time);
  g_test_add_func ("/motion/no-time", test_no_time);
  g_test_add_func ("/motion/textbook", test_textbook);
  g_test_add_func ("/motion/constant-velocity", test_constant_velocity);
  g_test_add_func ("/motion/size", test_size);
  return g_test_run ();
}
