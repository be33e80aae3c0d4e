package app

import (
	"sync"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
)

// silenceAzure switches off the log of Azure's SDK, which AZURE_SDK_GO_LOGGING
// would switch on for the whole process: it writes addresses with the
// signatures in them. It is done once, before anybody uses the SDK.
var silenceAzure = sync.OnceFunc(func() { azlog.SetListener(nil) })
