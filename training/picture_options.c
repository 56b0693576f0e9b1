/* --ignore-exif, --max-megapixels. */
#include "picture_options.h"

void
defcn_picture_options_add (DefcnPictureOptions *o, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "ignore-exif", 0, 0, G_OPTION_ARG_NONE, &o->ignore_exif,
        "Take pixels as they are stored, whatever EXIF says", NULL },
    { "max-megapixels", 0, 0, G_OPTION_ARG_INT, &o->max_megapixels,
        "Largest picture (100)", "N" },
    { NULL },
  };

  g_option_context_add_main_entries (context, entries, NULL);
}

const char *
defcn_picture_options_problem (const DefcnPictureOptions *o)
{
  return o->max_megapixels < 0 || o->max_megapixels > 268
      ? "--max-megapixels is not within 1 .. 268"
      : NULL;
}
