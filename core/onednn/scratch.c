/* Memory that is lent to the step that runs. */
#include "engine.h"

gboolean
defcn_onednn_scratch_reserve (Onednn *be, gsize len)
{
  float *scratch;

  if (len <= be->scratch_len)
    return TRUE;
  scratch = be->base.alloc (&be->base, len * sizeof (float));
  if (!scratch)
    return FALSE;
  be->base.free (&be->base, be->scratch);
  be->scratch = scratch;
  be->scratch_len = len;
  return TRUE;
}
