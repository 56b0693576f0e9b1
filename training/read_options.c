/* --max-damaged, --absolute-names, and how pictures are read. */
#include "read_options.h"

#include "picture_options.h"

void
defcn_read_options_add (DefcnReadOptions *o, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "max-damaged", 0, 0, G_OPTION_ARG_DOUBLE, &o->max_damaged,
        "Share of damaged annotations that stops (0.1)", "SHARE" },
    { "absolute-names", 0, 0, G_OPTION_ARG_NONE, &o->absolute_names,
        "Pictures' file names may be absolute, or leave their folder", NULL },
    { NULL },
  };

  g_option_context_add_main_entries (context, entries, NULL);
  defcn_picture_options_add (&o->picture, context);
}

const char *
defcn_read_options_problem (const DefcnReadOptions *o)
{
  if (!(o->max_damaged >= 0 && o->max_damaged <= 1))
    return "--max-damaged is not in 0 .. 1";
  return defcn_picture_options_problem (&o->picture);
}
