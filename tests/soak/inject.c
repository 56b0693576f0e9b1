/* Failures inside the detector. */
#include <stdlib.h>
#include <string.h>

#include "detector.h"
#include "inject.h"

gboolean __real_defcn_detector_run_by (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error);
gboolean __wrap_defcn_detector_run_by (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error);
void *__real_aligned_alloc (size_t alignment, size_t size);
void *__wrap_aligned_alloc (size_t alignment, size_t size);

static const char marks[INJECT_N][INJECT_SIZE + 1] = { "\1fail\2\3\4",
  "\1heap\2\3\4", "\1slow\2\3\4" };

static _Thread_local gboolean no_memory;

void
inject_mark (guint8 *pixels, Inject what)
{
  memcpy (pixels, marks[what], INJECT_SIZE);
}

static gboolean
is_marked (const DefcnImage *image, Inject what)
{
  return image->planes[0]
      && memcmp (image->planes[0], marks[what], INJECT_SIZE) == 0;
}

void *
__wrap_aligned_alloc (size_t alignment, size_t size)
{
  return no_memory ? NULL : __real_aligned_alloc (alignment, size);
}

gboolean
__wrap_defcn_detector_run_by (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error)
{
  gboolean good;

  for (int i = 0; i < n; i++) {
    if (is_marked (&images[i], INJECT_FAIL)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "injected");
      return FALSE;
    }
    if (is_marked (&images[i], INJECT_SLOW))
      g_usleep (100 * G_TIME_SPAN_MILLISECOND);
    no_memory |= is_marked (&images[i], INJECT_MEMORY);
  }
  good = __real_defcn_detector_run_by (detector, boxes, images, regions, rules,
      n, error);
  no_memory = FALSE;
  return good;
}
