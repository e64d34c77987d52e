package kind

import (
	"fmt"
	"slices"
)

// Requirement is a variable that a worker's environment must hold where it holds another. It is for combinations that
// the program itself refuses late, or takes without a word for something else than the operator meant.
type Requirement struct {
	Given   string   `yaml:"given"`   // the variable that brings the requirement with it
	Except  []string `yaml:"except"`  // values of it that do not
	Needs   string   `yaml:"needs"`   // the variable that must be there as well
	Because string   `yaml:"because"` // for the message: completes "… is needed with …: "
}

// Check gives an error that names both variables, and neither value, where environment does not hold what is needed.
// An empty variable counts as not given.
func (r Requirement) Check(environment map[string]string) error {
	given := environment[r.Given]
	if given == "" || slices.Contains(r.Except, given) || environment[r.Needs] != "" {
		return nil
	}
	return fmt.Errorf("%s is needed with %s: %s", r.Needs, r.Given, r.Because)
}

func (v *validator) requirement(r Requirement, field string) {
	v.environmentName(r.Given, field+".given")
	v.environmentName(r.Needs, field+".needs")
	if r.Because == "" {
		v.at(field+".because", "is missing, want the reason that is given to the operator")
	}
}
