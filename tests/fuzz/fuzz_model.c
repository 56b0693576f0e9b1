/* A model file from end to end: opened, and one picture looked at. */
#include "detector.h"
#include "input.h"

#define W 40
#define H 24

static void
look (DefcnDetector *d)
{
  static guint8 rgb[W * H * 3];
  const DefcnImage image = { DEFCN_FORMAT_RGB, W, H, { rgb }, { W * 3 } };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < sizeof rgb; i++)
    rgb[i] = (guint8) (i / 7 * 37);
  fuzz_check (defcn_detector_run (d, &boxes, &image, NULL, 1, &error) ? d
                                                                      : NULL,
      error);
  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);

    if (!(b->x1 >= 0 && b->x1 <= b->x2 && b->x2 <= W && b->y1 >= 0
            && b->y1 <= b->y2 && b->y2 <= H)
        || !defcn_detector_label (d, b->label))
      g_error ("box %u is %g %g %g %g of class %d", i, b->x1, b->y1, b->x2,
          b->y2, b->label);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const DefcnDetectorOptions options = { .device = "reference",
    .threads = 1,
    .max_edge = 128 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDetector) d =
      defcn_detector_new (fuzz_input_path (data, size), &options, &error);

  fuzz_check (d, error);
  if (d)
    look (d);
  return 0;
}
