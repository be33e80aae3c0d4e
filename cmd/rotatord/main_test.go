package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rotatord": main})
}

// TestScripts runs testdata/script/*.txtar with the real program as a process
// of its own. Each script has a world of its own: a simulated Planet, a bucket
// server, secret files and a configuration that names them; see world_test.go.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setup,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    cmdExits,
			"start":    cmdStart,
			"signal":   cmdSignal,
			"terminal": cmdTerminal,
			"screen":   cmdScreen,
			"sees":     cmdSees,
			"halt":     cmdHalt,
			"key":      cmdKey,
			"rotate":   cmdRotate,
			"planet":   cmdPlanet,
			"asked":    cmdAsked,
			"secret":   cmdNoSecret,
			"recorded": cmdRecorded,
			"envfile":  cmdEnvFile,
			"wire":     cmdWire,
		},
	})
}
