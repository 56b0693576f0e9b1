/* JPEG and PNG files. */
#include "input.h"
#include "data/picture.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnPicture) picture =
      defcn_picture_load (fuzz_input_path (data, size), &error);

  fuzz_check (picture, error);
  if (picture) {
    const DefcnImage image = defcn_picture_image (picture);

    if (!defcn_image_check (&image, &error))
      g_error ("%s", error->message);
    /* The last byte is there. */
    volatile guint8 last =
        picture->rgb[(gsize) picture->width * picture->height * 3 - 1];
    (void) last;
  }
  return 0;
}
