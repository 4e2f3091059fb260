#ifndef NIGH_NIGH_H_
#define NIGH_NIGH_H_

// All of nigh's public interface. A program that needs one part of it includes that part's header.

#include "nigh/async_stream.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/co_client.h"
#include "nigh/co_service.h"
#include "nigh/event_loop.h"
#include "nigh/generic_service.h"
#include "nigh/generic_stub.h"
#include "nigh/interceptor.h"
#include "nigh/message_extras.h"
#include "nigh/metadata.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/service.h"
#include "nigh/service_manager.h"
#include "nigh/task.h"
#include "nigh/version.h"

#endif  // NIGH_NIGH_H_
