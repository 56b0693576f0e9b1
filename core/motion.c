/* Motion of one tracked box: a Kalman filter in time. */
#include "motion.h"

#include <math.h>

/* Standard deviations as shares of the height: of a found edge's place, and of
 * what a frame of 1/30 s adds to place and (1/s) velocity. */
#define FRAMES 30.0 /* a second */
#define STD_PLACE (1.0 / 20)
#define STD_VELOCITY (1.0 / 160 * FRAMES)

static double
square (double x)
{
  return x * x;
}

/* Twice the noise of a place, ten times that of a velocity, as DeepSORT. */
static void
axis_init (DefcnMotionAxis *a, double x, double h)
{
  *a = (DefcnMotionAxis){ .x = x,
    .xx = square (2 * STD_PLACE * h),
    .vv = square (10 * STD_VELOCITY * h) };
}

/* Noise of the velocity for the time t adds t to its own variance, t^2 / 2 to
 * the covariance and t^3 / 3 to the place's. */
static void
axis_predict (DefcnMotionAxis *a, double t, double h)
{
  const double place = FRAMES * square (STD_PLACE * h);
  const double velocity = FRAMES * square (STD_VELOCITY * h);

  a->x += a->v * t;
  a->xx += 2 * a->xv * t + a->vv * t * t + place * t + velocity * t * t * t / 3;
  a->xv += a->vv * t + velocity * t * t / 2;
  a->vv += velocity * t;
}

static void
axis_update (DefcnMotionAxis *a, double found, double noise)
{
  const double s = a->xx + noise, gain = a->xx / s, gain_v = a->xv / s;
  const double residual = found - a->x;

  a->x += gain * residual;
  a->v += gain_v * residual;
  a->vv -= gain_v * a->xv;
  a->xv *= 1 - gain;
  a->xx *= 1 - gain;
}

static void
side_update (double *side, double *variance, double found, double noise)
{
  const double gain = *variance / (*variance + noise);

  *side += gain * (found - *side);
  *variance *= 1 - gain;
}

void
defcn_motion_init (DefcnMotion *m, const DefcnBox *b)
{
  m->w = (double) b->x2 - b->x1;
  m->h = (double) b->y2 - b->y1;
  m->ww = m->hh = square (2 * STD_PLACE * m->h);
  axis_init (&m->x, ((double) b->x1 + b->x2) / 2, m->h);
  axis_init (&m->y, ((double) b->y1 + b->y2) / 2, m->h);
}

void
defcn_motion_predict (DefcnMotion *m, double seconds)
{
  const double noise = FRAMES * square (STD_PLACE * m->h) * seconds;

  axis_predict (&m->x, seconds, m->h);
  axis_predict (&m->y, seconds, m->h);
  m->ww += noise;
  m->hh += noise;
}

void
defcn_motion_update (DefcnMotion *m, const DefcnBox *b)
{
  const double noise = square (STD_PLACE * m->h);

  axis_update (&m->x, ((double) b->x1 + b->x2) / 2, noise);
  axis_update (&m->y, ((double) b->y1 + b->y2) / 2, noise);
  side_update (&m->w, &m->ww, (double) b->x2 - b->x1, noise);
  side_update (&m->h, &m->hh, (double) b->y2 - b->y1, noise);
}

void
defcn_motion_box (const DefcnMotion *m, DefcnBox *b)
{
  b->x1 = (float) (m->x.x - m->w / 2);
  b->x2 = (float) (m->x.x + m->w / 2);
  b->y1 = (float) (m->y.x - m->h / 2);
  b->y2 = (float) (m->y.x + m->h / 2);
}

double
defcn_motion_spread (const DefcnMotion *m)
{
  return sqrt (MAX (m->x.xx, m->y.xx));
}
