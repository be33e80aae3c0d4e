package azureblob

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/integration/internal/azurite"
)

// server is the one Azurite of this process.
var server *azurite.Server

func TestMain(m *testing.M) {
	code, err := withAzurite(m.Run)
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withAzurite(run func() int) (code int, err error) {
	if server, err = azurite.Start("../.."); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.End()) }()
	return run(), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
