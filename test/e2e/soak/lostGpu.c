/*
 * A Vulkan driver that hands everything to the one that MTA_GPU_DRIVER names, and loses its device while the file that
 * MTA_GPU_LOST names is there: what a driver's reset or an unplugged card looks like from inside the process.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*Function)(void);
typedef Function (*GetProcAddr)(void *, const char *);
typedef int (*Submit)(void *, uint32_t, const void *, void *);

enum { deviceLost = -4 };

static Submit submit, submit2;
static GetProcAddr getDeviceProcAddr;

static Function ofDriver(const char *name) {
  static void *driver;
  if (!driver) driver = dlopen(getenv("MTA_GPU_DRIVER"), RTLD_NOW | RTLD_LOCAL);
  return driver ? (Function)dlsym(driver, name) : NULL;
}

static int isLost(void) {
  const char *file = getenv("MTA_GPU_LOST");
  return file && access(file, F_OK) == 0;
}

static int lossySubmit(void *queue, uint32_t n, const void *submits, void *fence) {
  return isLost() ? deviceLost : submit(queue, n, submits, fence);
}

static int lossySubmit2(void *queue, uint32_t n, const void *submits, void *fence) {
  return isLost() ? deviceLost : submit2(queue, n, submits, fence);
}

static Function lossyDeviceProcAddr(void *device, const char *name) {
  Function real = getDeviceProcAddr(device, name);
  if (!real) return NULL;
  if (strcmp(name, "vkQueueSubmit") == 0) return submit = (Submit)real, (Function)lossySubmit;
  if (strncmp(name, "vkQueueSubmit2", 14) == 0) return submit2 = (Submit)real, (Function)lossySubmit2;
  return real;
}

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
  GetProcAddr get = (GetProcAddr)ofDriver("vk_icdGetInstanceProcAddr");
  Function real = get ? get(instance, name) : NULL;
  if (!real || strcmp(name, "vkGetDeviceProcAddr") != 0) return real;
  getDeviceProcAddr = (GetProcAddr)real;
  return (Function)lossyDeviceProcAddr;
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
  GetProcAddr get = (GetProcAddr)ofDriver("vk_icdGetPhysicalDeviceProcAddr");
  return get ? get(instance, name) : NULL;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  int (*negotiate)(uint32_t *) =
      (int (*)(uint32_t *))ofDriver("vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate ? negotiate(version) : deviceLost;
}
