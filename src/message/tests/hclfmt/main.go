// Command hclfmt reads configurations of Terraform as JSON strings, one to a line, and writes for each what `terraform fmt`
// makes of it, likewise; null where it does not parse. `terraform fmt` formats with this package.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var text string
		if err := json.Unmarshal(in.Bytes(), &text); err != nil {
			log.Fatal(err)
		}
		var formatted *string
		if _, faults := hclsyntax.ParseConfig([]byte(text), "fix.tf", hcl.InitialPos); !faults.HasErrors() {
			bytes := string(hclwrite.Format([]byte(text)))
			formatted = &bytes
		}
		if err := out.Encode(formatted); err != nil {
			log.Fatal(err)
		}
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
}
