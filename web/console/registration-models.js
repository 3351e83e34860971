/* The billing models in words; the server decides what each of them needs and allows. */

export const MODELS = [
  { name: "PayAsYouUse", title: "Pay as you use", means: "Charged by what is used. Usage is always reported. The only model with customers of a partner." },
  { name: "Capacity", title: "Capacity", needs: "agreementNumber",
    means: "Paid per physical core and year under an enterprise agreement. Usage is never reported, customers cannot be added." },
  { name: "Development", title: "Development", mayReport: true, reports: true, means: "For trials and development kits. Never charged." },
  { name: "Custom", title: "Custom", needs: "msAssetTag", means: "By an agreement of its own. Usage is not reported." },
  { name: "Ruggedized", title: "Ruggedized", needs: "msAssetTag", mayReport: true, reports: true,
    means: "For appliances with a fixed charge; the asset tag is printed on the product." },
];

export const NEEDS = {
  agreementNumber: { title: "Agreement number", help: "Of the enterprise agreement under which the capacity was ordered." },
  msAssetTag: { title: "Asset tag", help: "Printed on the product." },
};

export const modelOf = (name) => MODELS.find((each) => each.name === name);
/** "Pay as you use", or a name that is not known here as it is. */
export const showKnownModel = (name) => modelOf(name)?.title ?? name;
