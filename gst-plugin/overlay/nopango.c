/* Builds without Pango. */
#include "pango.h"

gboolean
gst_defcn_pango_is_there (void)
{
  return FALSE;
}

GstDefcnPango *
gst_defcn_pango_new (const char *font, int size, int max_width)
{
  return NULL;
}

void
gst_defcn_pango_free (GstDefcnPango *pango)
{
}

void
gst_defcn_pango_render (GstDefcnPango *pango, GstDefcnRun *run,
    const char *string)
{
}
