/* MOT-challenge's text, as annotations and as a result at once. */
#include <math.h>

#include "eval/tracks.h"
#include "input.h"

static void
check_share (double value)
{
  if (!(value >= 0 && value <= 1 + 1e-9))
    g_error ("a share is %g", value);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *path = fuzz_input_path (data, size);

  for (int raw = 0; raw < 2; raw++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnMotSequence) sequence =
        defcn_mot_sequence_open (path, path, raw, &error);
    DefcnTrackFigures f;

    fuzz_check (sequence, error);
    if (!sequence)
      continue;
    defcn_tracks_measure (sequence, &f);
    check_share (f.hota);
    check_share (f.deta);
    check_share (f.assa);
    check_share (f.idf1);
    check_share (f.clear.recall);
    check_share (f.lasting.precision);
    if (!isfinite (f.clear.mota) || f.clear.tp + f.clear.fn != f.n_truth
        || f.lasting.tp + f.lasting.fp != f.n_result)
      g_error ("counts do not add up");
  }
  return 0;
}
